/*
 * Stores of one kind or another, for tests that all of them have to pass.
 */
#ifndef VQL_TESTS_STORE_FIXTURE_H
#define VQL_TESTS_STORE_FIXTURE_H

#include "check_main.h"
#include "database.h"
#include "redis_database.h"
#include "redis_server.h"
#include "store.h"
#include "temporary_folder.h"

static char folder[FOLDER_PATH_BYTES];
static database *d; /* NULL: in memory */
static store *s;    /* that writes */
static store *r;    /* that reads: the same in memory */

static inline void setup_memory(void)
{
    d = NULL;
    s = r = store_memory_open();
    ck_assert_ptr_nonnull(s);
}

static inline void open_folder(void)
{
    database_error error;
    d = database_open(folder, DURABILITY_SYNC, &error);
    ck_assert_msg(d != NULL, "%s", error.text);
    s = store_rocksdb_open(d);
    r = store_rocksdb_open(d);
    ck_assert(s && r);
}

static redis_server server;
static redis_database *remote; /* NULL: not in Redis */

static inline void open_redis(void)
{
    database_error error;
    remote = redis_database_open(server.url, DURABILITY_ASYNC, &error);
    ck_assert_msg(remote != NULL, "%s", error.text);
    s = store_redis_open(remote);
    r = store_redis_open(remote);
    ck_assert(s && r);
}

static inline void close_stores(void)
{
    store_close(s);
    if (r != s)
        store_close(r);
    database_close(d);
    redis_database_close(remote);
}

static inline void setup_redis(void)
{
    redis_server_start(&server);
    open_redis();
}

static inline void open_again(void)
{
    if (remote)
        open_redis();
    else
        open_folder();
}

static inline void setup_disk(void)
{
    folder_make(folder);
    open_folder();
}

static inline void teardown_memory(void)
{
    close_stores();
}

static inline void teardown_redis(void)
{
    close_stores();
    redis_server_stop(&server);
}

static inline void teardown_disk(void)
{
    close_stores();
    folder_remove(folder);
}

#endif
