#include "census.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "id_map.h"

/* Chains of addresses: connections are some thousands, so that a chain is short. */
enum { CHAINS = 4096 };

typedef struct entry {
    LIST_ENTRY(entry) in_chain;
    census_key key;
    uint32_t count;
} entry;

LIST_HEAD(chain, entry);

struct census {
    uint32_t most;
    uint64_t seed;
    pthread_mutex_t mutex; /* of the chains */
    struct chain chains[CHAINS];
};

/* ::ffff:0:0/96, IPv4 as IPv6 has it (RFC 4291 §2.5.5.2). */
static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

census_key census_key_v4(const uint8_t address[4])
{
    census_key key;
    memcpy(key.bytes, mapped, sizeof mapped);
    memcpy(key.bytes + sizeof mapped, address, 4);
    return key;
}

census_key census_key_v6(const uint8_t address[16])
{
    census_key key = {{0}};
    const bool is_mapped = memcmp(address, mapped, sizeof mapped) == 0;
    memcpy(key.bytes, address, is_mapped ? 16 : 8);
    return key;
}

census *census_new(uint32_t most, uint64_t seed)
{
    census *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->most = most;
    c->seed = seed;
    (void)pthread_mutex_init(&c->mutex, NULL);
    return c;
}

void census_free(census *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CHAINS; i++)
        assert(LIST_EMPTY(&c->chains[i]));
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}

static struct chain *chain_of(census *c, const census_key *key)
{
    uint64_t halves[2];
    memcpy(halves, key->bytes, sizeof halves);
    const uint64_t hash = id_hash(id_hash(halves[0] ^ c->seed) ^ halves[1]);
    return &c->chains[hash % CHAINS];
}

static entry *find(const struct chain *chain, const census_key *key)
{
    entry *e = LIST_FIRST(chain);
    while (e && memcmp(&e->key, key, sizeof *key) != 0)
        e = LIST_NEXT(e, in_chain);
    return e;
}

/* The address's entry, made if there is none. NULL: no memory. */
static entry *find_or_add(struct chain *chain, const census_key *key)
{
    entry *e = find(chain, key);
    if (e)
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->key = *key;
    LIST_INSERT_HEAD(chain, e, in_chain);
    return e;
}

bool census_enter(census *c, const census_key *key)
{
    (void)pthread_mutex_lock(&c->mutex);
    entry *e = find_or_add(chain_of(c, key), key);
    const bool enters = e && e->count < c->most;
    if (enters)
        e->count++;
    (void)pthread_mutex_unlock(&c->mutex);
    return enters;
}

void census_leave(census *c, const census_key *key)
{
    (void)pthread_mutex_lock(&c->mutex);
    entry *e = find(chain_of(c, key), key);
    assert(e && e->count > 0);
    if (--e->count == 0) {
        LIST_REMOVE(e, in_chain);
        free(e);
    }
    (void)pthread_mutex_unlock(&c->mutex);
}
