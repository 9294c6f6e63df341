/*
 * The versions that serve at one time: which of them is active, and what share of the users each
 * has while there is a split. Never changes once the registry has published it; counted, as
 * versions are.
 */
#ifndef VQL_SERVER_MODEL_SET_H
#define VQL_SERVER_MODEL_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limit.h"
#include "version.h"

typedef struct model_entry {
    version *version;
    uint32_t weight; /* its users are weight / sum of weights; all 0: there is no split */
} model_entry;

typedef struct model_set {
    atomic_size_t references;
    uint64_t revision; /* grows from set to set */
    size_t count;
    size_t active; /* index of the version of requests that name none; 0 if count is */
    model_entry entries[LIMIT_MODELS]; /* [count], in the order in which they were added */
} model_set;

/* An empty set, or the same versions as another's, whose only reference is the caller's. NULL: no
 * memory. */
model_set *model_set_new(const model_set *from);

model_set *model_set_share(model_set *s);

/* One reference less; the last one frees the set and lets its versions go. NULL is allowed. */
void model_set_release(model_set *s);

/* Adds a version behind the others, of which there are fewer than LIMIT_MODELS. */
void model_set_add(model_set *s, version *v);

/* Puts another generation of the version into entry i. */
void model_set_renew(model_set *s, size_t i, version *next);

/* Takes entry i out, which is not the active one while there are others. */
void model_set_remove(model_set *s, size_t i);

/* The entry of a name; NULL: there is none. */
const model_entry *model_set_find(const model_set *s, const char *name);

/* The entry of a version's number; NULL: there is none. */
const model_entry *model_set_numbered(const model_set *s, uint64_t number);

/* The version of requests that name none; the set has one. */
static inline version *model_set_active(const model_set *s)
{
    return s->entries[s->active].version;
}

/*
 * The version that a user's requests get when they name none. With a split a user stays with a
 * version, and a change of the weights moves no more users than it has to: weighted rendezvous
 * hashing (D. G. Thaler, C. V. Ravishankar: "Using name-based mappings to increase hit rates",
 * IEEE/ACM ToN 6(1), 1998; the weights after C. Schindelhauer, G. Schomaker: "Weighted distributed
 * hash tables", SPAA 2005).
 */
version *model_set_choose(const model_set *s, uint64_t user_id);

#endif
