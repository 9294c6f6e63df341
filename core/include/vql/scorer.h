/*
 * Scoring candidates for one user from the user's cache (vql.md §6, §7).
 *
 * A scorer is scratch space of fixed size for one thread: begin() folds the temporal kernel of one
 * cache at one time into the scorer, after which any number of candidates can be scored, in as many
 * calls as the caller likes, whatever happens to the cache meanwhile. Neither cost has the
 * history's length in it. Nothing but vql_scorer_new allocates.
 */
#ifndef VQL_SCORER_H
#define VQL_SCORER_H

#include <stddef.h>
#include <stdint.h>

#include "vql/cache.h"
#include "vql/catalog.h"

typedef struct vql_scorer vql_scorer;

/*
 * A scorer that has folded an empty history. The catalog must outlive it. allocator: NULL for
 * vql_allocator_default(). Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code vql_scorer_new(const vql_catalog *catalog, const vql_allocator *allocator,
                        vql_scorer **out);

/* Releases a scorer; NULL is allowed. */
void vql_scorer_free(vql_scorer *scorer);

/*
 * Looks candidates up in another catalog of the same family from now on; what was folded stays. The
 * catalog must stay until the scorer uses another, or is freed.
 */
void vql_scorer_use(vql_scorer *scorer, const vql_catalog *catalog);

/*
 * Folds the cache at time_ms. cache: of the scorer's catalog or one of its family, read during the
 * call only; NULL: an empty history, o = 0. A time before the cache's reference time is taken as
 * that.
 */
void vql_scorer_begin(vql_scorer *scorer, const vql_cache *cache, int64_t time_ms);

/*
 * Scores candidates with what begin() folded: scores[n · T + t] is the probability of task t for
 * item_ids[n]. Returns how many of the candidates were unknown items.
 */
size_t vql_scorer_run(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *scores);

/* The same before the sigmoid. */
size_t vql_scorer_logits(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *logits);

/* The attention outputs o of candidates, as begin() folded it: o[n · D + j]. */
void vql_scorer_attentions(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *o);

/* The attention output o of one candidate, as begin() folded it: D floats. */
void vql_scorer_attention(vql_scorer *scorer, uint64_t item_id, float *o);

/*
 * The logits, T floats, of one candidate for an attention output of the caller's, D finite
 * floats: what the head alone makes of it.
 */
void vql_scorer_apply_head(vql_scorer *scorer, uint64_t item_id, const float *o, float *logits);

#endif
