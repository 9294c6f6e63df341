#include "keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limit.h"
#include "log.h"
#include "store.h"
#include "store_record.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

struct keeper {
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    bool syncs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping;

    atomic_ulong writes;  /* that went well */
    unsigned long synced; /* of them: when the log was last written out */
    unsigned long probed; /* of them: when it was last looked whether there are any */
    atomic_uint outages;  /* store_outages */
    atomic_ullong unread; /* a user that could not be read, if that is an outage */
};

/* Writes the log out, if there is something new in it. */
static void sync_log(keeper *k)
{
    char *message = NULL;
    const unsigned long writes = atomic_load(&k->writes);
    if (writes == k->synced || (atomic_load(&k->outages) & STORE_UNWRITABLE))
        return;
    rocksdb_flush_wal(k->db, 1, &message);
    if (!message) {
        k->synced = writes;
        return;
    }
    log_error("the store's log cannot be written", log_str("error", message));
    rocksdb_free(message);
    keeper_note_write(k, false);
}

/* Writes a record, unless others have been. */
static void probe_writing(keeper *k)
{
    const unsigned long writes = atomic_load(&k->writes);
    const bool fails = atomic_load(&k->outages) & STORE_UNWRITABLE;
    if (!fails && writes != k->probed) {
        k->probed = writes;
        return;
    }
    char *message = NULL;
    rocksdb_put(k->db, k->write, record_probe_key, strlen(record_probe_key), "", 0, &message);
    keeper_note_write(k, !message);
    rocksdb_free(message);
    k->probed = k->synced = atomic_load(&k->writes);
}

/* Reads all of the user's records again, from the disk. */
static void probe_reading(keeper *k)
{
    if (!(atomic_load(&k->outages) & STORE_UNREADABLE))
        return;
    const uint64_t user_id = atomic_load(&k->unread);
    const record_key first = record_key_of(user_id, RECORD_HEAD);
    const record_key end = record_key_end(user_id);
    rocksdb_readoptions_set_iterate_upper_bound(k->read, end.bytes, end.count);
    rocksdb_iterator_t *at = rocksdb_create_iterator(k->db, k->read);
    rocksdb_iter_seek(at, first.bytes, first.count);
    while (rocksdb_iter_valid(at))
        rocksdb_iter_next(at);
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    if (!message || record_is_damage(message))
        (void)atomic_fetch_and(&k->outages, ~(unsigned)STORE_UNREADABLE);
    rocksdb_free(message);
}

/* Waits. False: it is time to end. */
static bool wait_ms(keeper *k, long ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms % 1000 * NS_PER_MS;
    until.tv_sec += ms / 1000 + until.tv_nsec / NS_PER_S;
    until.tv_nsec %= NS_PER_S;
    (void)pthread_mutex_lock(&k->lock);
    while (!k->stopping && pthread_cond_timedwait(&k->stop, &k->lock, &until) != ETIMEDOUT)
        continue;
    const bool goes_on = !k->stopping;
    (void)pthread_mutex_unlock(&k->lock);
    return goes_on;
}

static void *look_after(void *argument)
{
    keeper *k = argument;
    long unprobed_ms = 0;
    const long tick_ms = k->syncs ? LIMIT_SYNC_MS : LIMIT_PROBE_MS;
    while (wait_ms(k, tick_ms)) {
        if (k->syncs)
            sync_log(k);
        unprobed_ms += tick_ms;
        if (unprobed_ms < LIMIT_PROBE_MS)
            continue;
        unprobed_ms = 0;
        probe_writing(k);
        probe_reading(k);
    }
    if (k->syncs)
        sync_log(k);
    return NULL;
}

static void free_keeper(keeper *k)
{
    (void)pthread_cond_destroy(&k->stop);
    (void)pthread_mutex_destroy(&k->lock);
    rocksdb_readoptions_destroy(k->read);
    rocksdb_writeoptions_destroy(k->write);
    free(k);
}

keeper *keeper_start(rocksdb_t *db, bool syncs)
{
    keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->db = db;
    k->syncs = syncs;
    k->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(k->write, 1);
    k->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(k->read, 0);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&k->lock, NULL);
    (void)pthread_cond_init(&k->stop, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (pthread_create(&k->thread, NULL, look_after, k) == 0)
        return k;
    free_keeper(k);
    return NULL;
}

void keeper_stop(keeper *k)
{
    if (!k)
        return;
    (void)pthread_mutex_lock(&k->lock);
    k->stopping = true;
    (void)pthread_cond_signal(&k->stop);
    (void)pthread_mutex_unlock(&k->lock);
    (void)pthread_join(k->thread, NULL);
    free_keeper(k);
}

void keeper_note_write(keeper *k, bool ok)
{
    if (!ok) {
        (void)atomic_fetch_or(&k->outages, (unsigned)STORE_UNWRITABLE);
        return;
    }
    (void)atomic_fetch_add(&k->writes, 1);
    if (atomic_load(&k->outages) & STORE_UNWRITABLE)
        (void)atomic_fetch_and(&k->outages, ~(unsigned)STORE_UNWRITABLE);
}

void keeper_note_unread(keeper *k, uint64_t user_id)
{
    atomic_store(&k->unread, user_id);
    (void)atomic_fetch_or(&k->outages, (unsigned)STORE_UNREADABLE);
}

unsigned keeper_outages(const keeper *k)
{
    return atomic_load(&k->outages);
}
