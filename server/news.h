/*
 * What is heard of other servers that write the same users' histories: whether a user's may have
 * changed since it was last read. A reader takes the user's number before it reads, and what it
 * read is current for as long as the number stays. Users share numbers, so that one may be thought
 * to have changed that has not. A user of a slot that nothing is heard of is never current. All
 * threads; no locks.
 */
#ifndef VQL_SERVER_NEWS_H
#define VQL_SERVER_NEWS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct news news;

/* Nothing is heard of any slot. NULL: no memory. */
news *news_new(void);

/* NULL is allowed. */
void news_free(news *n);

/* A user's number now. NULL: nobody else writes, and it is 0. */
uint32_t news_number(const news *n, uint64_t user_id);

/* Whether what was read with a number is current. NULL: it is. */
bool news_is_current(const news *n, uint64_t user_id, uint32_t number);

/* Another server has changed a user's history. */
void news_changed(news *n, uint64_t user_id);

/* From now on changes of a slot's users are heard; or no more. What was before is not current. */
void news_listen(news *n, uint16_t slot, bool hears);

/* True when changes of the slot's users are heard. */
bool news_hears(const news *n, uint16_t slot);

#endif
