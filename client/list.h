/*
 * A doubly linked list through members of its entries: an entry may be in several lists at once, by
 * a link for each. A link that is in no list points to itself, as an empty list's head does.
 */
#ifndef VQL_CLIENT_LIST_H
#define VQL_CLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list_link {
    struct list_link *previous;
    struct list_link *next;
} list_link;

/* The entry of `type` whose `member` is *link. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Makes an empty list, or a link that is in none. */
static inline void list_init(list_link *link)
{
    link->previous = link;
    link->next = link;
}

/* Whether the list is empty; of a link: whether it is in no list. */
static inline bool list_empty(const list_link *head)
{
    return head->next == head;
}

/* Inserts a link that is in no list behind one that is in one. */
static inline void list_insert_after(list_link *place, list_link *link)
{
    link->previous = place;
    link->next = place->next;
    place->next->previous = link;
    place->next = link;
}

/* Appends a link that is in no list to the end of the list. */
static inline void list_append(list_link *head, list_link *link)
{
    list_insert_after(head->previous, link);
}

/* Takes a link out of its list; nothing happens when it is in none. */
static inline void list_remove(list_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* Moves all entries of `from`, in order, to the end of `to`. */
static inline void list_splice(list_link *to, list_link *from)
{
    while (!list_empty(from)) {
        list_link *link = from->next;
        list_remove(link);
        list_append(to, link);
    }
}

#endif
