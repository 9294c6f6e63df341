/*
 * What is done to a user's history in Redis at once, in Lua: docs/REDIS.md has the layout. A
 * history is one hash, so that it is in one place at every moment, also while its slot moves.
 *
 * KEYS[1] is the user's. ARGV[1] is the slot's channel, and ARGV[2] what is published there when
 * the history changes: the server's name and the user, REDIS_NAME_BYTES and 8 bytes.
 */
#ifndef VQL_SERVER_REDIS_SCRIPTS_H
#define VQL_SERVER_REDIS_SCRIPTS_H

enum {
    REDIS_NAME_BYTES = 8,
    REDIS_NEWS_BYTES = REDIS_NAME_BYTES + 8,
    REDIS_CHUNK = 128,     /* events of a field */
    REDIS_ID_BUCKETS = 16, /* fields that ids are in */
    REDIS_SHA_BYTES = 41,  /* of a script's name, with the terminator */
};

typedef enum redis_script {
    /* born, events as records: [the head, what became of each event], "1" or "0" each; "": all */
    REDIS_APPEND,
    /* born, sequence, fingerprint, value, fingerprints to keep: 1 or 0 */
    REDIS_SAVE,
    /* none: how many events there were */
    REDIS_ERASE,
    /* born or "", new born, first, sequence, first time, last time: 1 or 0 */
    REDIS_TRIM,
    /* how many events at most: 1: there are more */
    REDIS_PURGE,
    REDIS_SCRIPTS,
} redis_script;

/* A script's text; static. */
const char *redis_script_text(redis_script which);

/* Its name: SHA-1 in hexadecimal digits. */
void redis_script_sha(redis_script which, char out[REDIS_SHA_BYTES]);

#endif
