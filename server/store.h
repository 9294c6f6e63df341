/*
 * A store: the truth of users' histories. The event log of a user is (sequence, item, type, time,
 * event id), sequence numbers counting from 1 without gaps; caches are made from it.
 *
 * A store is one table of functions: store_memory.c keeps everything in this process, and never
 * blocks; store_rocksdb.c keeps it on disk, and store_redis.c where other servers write it too, and
 * they do. One thread at a time uses a store.
 *
 *   append, append, save … ── commit ──> they hold as the store's durability says
 *   pin ── info, load, read … ── unpin   they are of one moment
 */
#ifndef VQL_SERVER_STORE_H
#define VQL_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "limit.h"

/* What became of an operation. But for STORE_OK nothing was changed, and nothing filled in. */
typedef enum store_code {
    STORE_OK,
    STORE_NO_MEMORY,
    STORE_UNAVAILABLE, /* the disk refused; the log says why */
    STORE_DAMAGED,     /* what was read is not what was written; the log says where */
    STORE_CHANGED,     /* what is read is not of one moment any more: to be read again */
} store_code;

/* What a store cannot do at present: bits. */
typedef enum store_outage {
    STORE_UNWRITABLE = 1,
    STORE_UNREADABLE = 2,
} store_outage;

/* What is certain of events that are committed; the numbers are vql.v1.Durability's. */
typedef enum durability {
    DURABILITY_MEMORY = 1, /* lost with the process */
    DURABILITY_ASYNC = 2,  /* lost with the machine, if it stops within LIMIT_SYNC_MS */
    DURABILITY_SYNC = 3,   /* on disk; or in Redis, with a replica */
} durability;

/* What a store knows of one user. */
typedef struct history_info {
    uint64_t sequence; /* of the last event; 0: no history, and zeros below */
    uint64_t first;    /* of the first event that is kept; sequence + 1: none is */
    uint64_t cleared;  /* events before it have left the store, with their ids; at most first */
    uint64_t born;     /* differs between a history, and what there is after a trim or an erase */
    int64_t first_time_ms;
    int64_t last_time_ms;
    size_t bytes;
} history_info;

/*
 * A model's cache as it was when it had the events up to a sequence number, in its serialized form.
 */
typedef struct store_snapshot {
    uint64_t model;          /* its fingerprint */
    uint64_t born, sequence; /* of the history */
    uint8_t *bytes;          /* [count]; NULL: there is none */
    size_t count;
} store_snapshot;

/* Models by their fingerprints: snapshots of others are of no use any more. */
typedef struct snapshot_keep {
    size_t count;
    uint64_t models[LIMIT_MODELS];
} snapshot_keep;

typedef struct store store;

typedef struct store_operations {
    store_code (*append)(store *s, uint64_t user_id, event *events, size_t *count,
                         history_info *info, store_code *code);
    store_code (*save)(store *s, uint64_t user_id, const store_snapshot *snapshot,
                       const snapshot_keep *keep);
    store_code (*erase)(store *s, uint64_t user_id, uint64_t *erased);
    store_code (*commit)(store *s);
    void (*pin)(store *s);
    void (*unpin)(store *s);
    store_code (*drop_applied)(store *s, uint64_t user_id, event *events, size_t *count);
    store_code (*info)(store *s, uint64_t user_id, history_info *info);
    store_code (*read)(store *s, uint64_t user_id, uint64_t first_sequence, event *out, size_t max,
                       size_t *count);
    store_code (*load)(store *s, uint64_t user_id, uint64_t fingerprint, store_snapshot *out);
    store_code (*users)(store *s, uint64_t *cursor, uint64_t *out, size_t max, size_t *count);
    store_code (*trim)(store *s, uint64_t user_id, const history_info *left);
    store_code (*purge)(store *s, uint64_t user_id, size_t max, bool *more);
    void (*close)(store *s);
} store_operations;

/* What every store begins with. */
struct store {
    const store_operations *operations;
    durability durability; /* what holds of what is committed */
};

/* A store in memory, where an operation holds at once; NULL: no memory. */
store *store_memory_open(void);

/*
 * Appends events to a user's history, all or none. Events whose id was applied before, or stands
 * earlier in the same array, are taken out of the array: *count becomes the number of new ones, in
 * their order. *info is what is known of the user then. After a failure the array may have been
 * compacted.
 *
 * A store may do it when it is committed: then it says what became of it in *code, and all that is
 * given must be there until then.
 */
static inline store_code store_append(store *s, uint64_t user_id, event *events, size_t *count,
                                      history_info *info, store_code *code)
{
    return s->operations->append(s, user_id, events, count, info, code);
}

/*
 * Keeps a snapshot in the place of the model's one before, and drops the user's snapshots of models
 * that are not to be kept. One of another birth than the user's present
 * history is passed over. It must be there until the commit.
 */
static inline store_code store_save(store *s, uint64_t user_id, const store_snapshot *snapshot,
                                    const snapshot_keep *keep)
{
    return s->operations->save(s, user_id, snapshot, keep);
}

/*
 * Deletes everything of a user: *erased becomes how many events there were. Everything before is
 * committed, and so is this.
 */
static inline store_code store_erase(store *s, uint64_t user_id, uint64_t *erased)
{
    return s->operations->erase(s, user_id, erased);
}

/*
 * Makes what was appended and saved since the last commit hold, and seen by other stores of the
 * same disk; after a failure it may or may not be there.
 */
static inline store_code store_commit(store *s)
{
    return s->operations->commit(s);
}

/*
 * Makes the events from left->first on, which is not before the first that is kept, a user's
 * history, with left's times; the user has one, with left's birth and sequence, unless others have
 * written it meanwhile. Events before can be read no more, but their ids
 * are known until store_purge. Snapshots of before are passed over.
 */
static inline store_code store_trim(store *s, uint64_t user_id, const history_info *left)
{
    return s->operations->trim(s, user_id, left);
}

/*
 * Takes up to about max events that were trimmed out of the store, with their ids. *more: there are
 * others.
 */
static inline store_code store_purge(store *s, uint64_t user_id, size_t max, bool *more)
{
    return s->operations->purge(s, user_id, max, more);
}

/*
 * Some users that have a history: *count, max unless there are no more after them. *cursor is 0 to
 * begin with, and becomes what the next call goes on from. Users that come or go meanwhile may be
 * left out.
 */
static inline store_code store_users(store *s, uint64_t *cursor, uint64_t *out, size_t max,
                                     size_t *count)
{
    return s->operations->users(s, cursor, out, max, count);
}

/* What is read from here on is of this moment, until store_unpin. */
static inline void store_pin(store *s)
{
    s->operations->pin(s);
}

static inline void store_unpin(store *s)
{
    s->operations->unpin(s);
}

/* Takes out of the array what store_append would take out, and appends nothing. */
static inline store_code store_drop_applied(store *s, uint64_t user_id, event *events,
                                            size_t *count)
{
    return s->operations->drop_applied(s, user_id, events, count);
}

/* What is known of a user. */
static inline store_code store_info(store *s, uint64_t user_id, history_info *info)
{
    return s->operations->info(s, user_id, info);
}

/*
 * Reads events from first_sequence on, which is not before the first that is kept, in the order of
 * their sequence numbers, at most max; *count becomes how many.
 */
static inline store_code store_read(store *s, uint64_t user_id, uint64_t first_sequence, event *out,
                                    size_t max, size_t *count)
{
    return s->operations->read(s, user_id, first_sequence, out, max, count);
}

/*
 * A model's snapshot, by its fingerprint, that was saved last, if it is whole; its bytes are the
 * caller's to free.
 */
static inline store_code store_load(store *s, uint64_t user_id, uint64_t fingerprint,
                                    store_snapshot *out)
{
    return s->operations->load(s, user_id, fingerprint, out);
}

/* Frees the store; what was not committed is lost. */
static inline void store_close(store *s)
{
    s->operations->close(s);
}

#endif
