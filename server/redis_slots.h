/*
 * Where Redis Cluster keeps what: a key is in one of REDIS_SLOTS slots by the CRC-16 of it, or of
 * the part of it between its first braces. No I/O.
 */
#ifndef VQL_SERVER_REDIS_SLOTS_H
#define VQL_SERVER_REDIS_SLOTS_H

#include <stddef.h>
#include <stdint.h>

enum {
    REDIS_SLOTS = 16384,
    REDIS_KEY_BYTES = 32, /* of a user's key or a slot's channel, and the terminator */
};

uint16_t redis_slot(const char *key, size_t bytes);

/* A number in 8 bytes, the least first, and the inverse. */
void redis_little(uint64_t number, char out[8]);
uint64_t redis_little_parse(const char bytes[8]);

/* A random number that is not 0. */
uint64_t redis_random(void);

/* A user's key, vql:{user_id}, as text; returns its length. */
size_t redis_user_key(uint64_t user_id, char out[REDIS_KEY_BYTES]);

/* The slot of a user's key. */
uint16_t redis_user_slot(uint64_t user_id);

/* A number for each slot whose decimal form is in that slot. */
typedef struct redis_tags {
    uint32_t of[REDIS_SLOTS];
} redis_tags;

void redis_tags_find(redis_tags *out);

/* The name of a slot's channel, or of the key that it is probed with; both are in the slot. */
size_t redis_slot_channel(const redis_tags *t, uint16_t slot, char out[REDIS_KEY_BYTES]);
size_t redis_slot_probe(const redis_tags *t, uint16_t slot, char out[REDIS_KEY_BYTES]);

#endif
