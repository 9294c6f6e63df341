/*
 * The keys and values of the store on disk. Numbers in keys are big-endian, so that keys are in the
 * order of the numbers; in values they are little-endian.
 *
 *   key                             value
 *   i number                        an UpsertItemsRequest, as it came; numbered from 1
 *   m "format"                      u32: RECORD_FORMAT
 *   m "items"                       what became of the UpsertItemsRequests: record_items
 *   m "probe"                       nothing: written to see whether anything can be
 *   u user 0                        the head: born, sequence, first, cleared, times, bytes; of some
 *                                   sequence number less than RECORD_HEAD_EVENTS before the last
 *   u user 1 model's fingerprint    its snapshot: "VQLS", version, CRC-32, born, sequence, cache
 *   u user 2 last sequence          events, RECORD_EVENTS at most, up to that sequence number
 *   u user 3 event id               nothing: the id was applied
 */
#ifndef VQL_SERVER_STORE_RECORD_H
#define VQL_SERVER_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "store.h"

enum {
    RECORD_FORMAT = 3,
    RECORD_FORMAT_OLDEST = 1, /* has no "items"; in it and 2 a head is of the last event */
    RECORD_EVENTS = 256,
    RECORD_HEAD_EVENTS = 32, /* after so many that the head does not know of it is written again */
    RECORD_EVENT_BYTES = 28,
    RECORD_HEAD_BYTES = 56,
    RECORD_ITEMS_BYTES = 9, /* of a key: 'i' and the number */
    RECORD_COMPACTION_BYTES = 24,
    RECORD_USER_BYTES = 9, /* of a key: 'u' and the user */
    RECORD_SNAPSHOT_HEAD_BYTES = 28,
};

extern const char record_format_key[], record_items_key[], record_probe_key[];

typedef enum record_kind { RECORD_HEAD, RECORD_SNAPSHOT, RECORD_EVENT, RECORD_ID } record_kind;

typedef struct record_key {
    char bytes[18];
    size_t count;
} record_key;

/* The key of the items' n-th record, and the inverse; false: it is none. */
record_key record_key_items(uint64_t number);
bool record_key_parse_items(const char *key, size_t count, uint64_t *number);

/*
 * How often the items' records were compacted, and the numbers that went: of those up to `through`
 * `kept` are there, those after it have no gaps. Zeros where there is no such record.
 */
typedef struct record_items {
    uint64_t compactions, through, kept;
} record_items;

/* Its value. parse: false for what is none. */
void record_items_write(const record_items *items, char out[RECORD_COMPACTION_BYTES]);
bool record_items_parse(const char *value, size_t count, record_items *out);

/* Going through the items' records in the order of their keys, to see that none is missing. */
typedef struct record_items_walk {
    record_items of;
    uint64_t last, passed; /* the last number; how many up to of.through */
} record_items_walk;

/* Whether the record of a number may be the next; and whether there may be none after it. */
bool record_items_pass(record_items_walk *w, uint64_t number);
bool record_items_end(const record_items_walk *w);

/* The key of a user's only record of a kind, HEAD; the begin of the keys of other kinds. */
record_key record_key_of(uint64_t user_id, record_kind kind);

/* The key of another record: number is the fingerprint, the sequence number or the id. */
record_key record_key_numbered(uint64_t user_id, record_kind kind, uint64_t number);

/* A key after all of a user's, and before the next user's. */
record_key record_key_end(uint64_t user_id);

/*
 * The inverse. False: it is no key of a user. *number is 0 where the key has none.
 */
bool record_key_parse(const char *key, size_t count, uint64_t *user_id, record_kind *kind,
                      uint64_t *number);

/* Whether an error of RocksDB's says that what was read is not what was written. */
bool record_is_damage(const char *message);

/* The heads of users. parse: false for what is none. */
void record_head_write(const history_info *info, char out[RECORD_HEAD_BYTES]);
bool record_head_parse(const char *value, size_t count, history_info *out);

/* Events: out has RECORD_EVENT_BYTES for each. */
void record_events_write(const event *events, size_t count, char *out);

/* How many events a value holds; 0: it is no such value. */
size_t record_events_count(size_t bytes);

/* Event i of a value that holds more than i. */
event record_event(const char *value, size_t i);

/* Snapshots: out has RECORD_SNAPSHOT_HEAD_BYTES more than the snapshot has bytes. */
void record_snapshot_write(const store_snapshot *snapshot, char *out);

/*
 * The inverse, with bytes that point into the value and are not to be changed. False: it is
 * damaged, or of a version that is not known.
 */
bool record_snapshot_parse(const char *value, size_t count, store_snapshot *out);

#endif
