/*
 * Gives the events of a file ids that are the same whenever the file is read, so that an import
 * that was interrupted may simply be run again: what the server has applied it does not apply
 * twice.
 *
 * An event's id mixes its item, type, time and occurrence: how many events just like it stand
 * before it among the consecutive lines of its user. Logs do hold equal events, as when one basket
 * lists an article twice, and not always on neighbouring lines; both count. Memory is that of the
 * longest such run of one user's lines: 32 to 64 bytes for each different event.
 */
#ifndef VQL_CLIENT_CTL_EVENT_IDS_H
#define VQL_CLIENT_CTL_EVENT_IDS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct event_ids event_ids;

/* NULL when there is no memory. */
event_ids *event_ids_new(void);
void event_ids_free(event_ids *ids);

/* The id, never 0, of the next event of the file. False when there is no memory. */
bool event_ids_next(event_ids *ids, uint64_t user_id, uint64_t item_id, uint32_t type,
                    int64_t time_ms, uint64_t *id);

/* Spreads the bits of a number over all of another (the finaliser of splitmix64): a bijection. */
uint64_t mix64(uint64_t x);

#endif
