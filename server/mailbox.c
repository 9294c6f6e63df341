#include "mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * turn == position: may be written; turn == position + 1: may be read. Reading makes it position +
 * capacity.
 */
typedef struct cell {
    atomic_size_t turn;
    job *content;
} cell;

enum { CACHE_LINE = 64 };

struct mailbox {
    size_t mask;
    cell *cells;
    _Alignas(CACHE_LINE) atomic_size_t tail; /* where the next job goes */
    _Alignas(CACHE_LINE) size_t head;        /* where the owner reads */
};

mailbox *mailbox_new(size_t capacity)
{
    mailbox *m = aligned_alloc(CACHE_LINE, sizeof *m);
    if (!m)
        return NULL;
    m->cells = calloc(capacity, sizeof *m->cells);
    if (!m->cells) {
        free(m);
        return NULL;
    }
    m->mask = capacity - 1;
    m->head = 0;
    atomic_init(&m->tail, 0);
    for (size_t i = 0; i < capacity; i++)
        atomic_init(&m->cells[i].turn, i);
    return m;
}

void mailbox_free(mailbox *m)
{
    if (!m)
        return;
    free(m->cells);
    free(m);
}

bool mailbox_put(mailbox *m, job *j)
{
    size_t position = atomic_load_explicit(&m->tail, memory_order_relaxed);
    for (;;) {
        cell *c = &m->cells[position & m->mask];
        const size_t turn = atomic_load_explicit(&c->turn, memory_order_acquire);
        if (turn == position) {
            if (atomic_compare_exchange_weak_explicit(&m->tail, &position, position + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                c->content = j;
                atomic_store_explicit(&c->turn, position + 1, memory_order_release);
                return true;
            }
        } else if ((ptrdiff_t)(turn - position) < 0) {
            return false;
        } else {
            position = atomic_load_explicit(&m->tail, memory_order_relaxed);
        }
    }
}

job *mailbox_take(mailbox *m)
{
    cell *c = &m->cells[m->head & m->mask];
    if (atomic_load_explicit(&c->turn, memory_order_acquire) != m->head + 1)
        return NULL;
    job *j = c->content;
    atomic_store_explicit(&c->turn, m->head + m->mask + 1, memory_order_release);
    m->head++;
    return j;
}
