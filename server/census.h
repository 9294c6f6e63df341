/*
 * How many connections there are from each address, over all threads. An IPv6 address stands for
 * its /64, which is what one customer gets to choose from (RFC 6177 §2); an IPv4 address for
 * itself, also where IPv6 maps it.
 */
#ifndef VQL_SERVER_CENSUS_H
#define VQL_SERVER_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct census census;

/* An address, or the /64 of one: what is counted. */
typedef struct census_key {
    uint8_t bytes[16];
} census_key;

census_key census_key_v4(const uint8_t address[4]);
census_key census_key_v6(const uint8_t address[16]);

/*
 * Counts at most `most` connections of an address. seed: whatever clients cannot guess. NULL: no
 * memory.
 */
census *census_new(uint32_t most, uint64_t seed);

/* Nobody is in it any more. NULL is ignored. */
void census_free(census *c);

/* From any thread: one more. False: there are as many as may be, or there is no memory. */
bool census_enter(census *c, const census_key *key);

/* From any thread: one that census_enter counted has gone. */
void census_leave(census *c, const census_key *key);

#endif
