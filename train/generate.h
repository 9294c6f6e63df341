/*
 * Makes a log with an interest that is planted far back in the histories.
 *
 * There are topics, each with one item that occurs in histories and several that are candidates;
 * all other items are filler. Of every two users one is interested in a topic and the other is
 * not, so that a topic by itself tells nothing; which one is tossed for every topic. The
 * first events of a history of `length` all happen on one day, the latest 200 in the year after it:
 *
 *   one day                                              the next year         impressions
 *   ├── of each topic B events, shuffled with filler ──┼── 200 of filler ──┼── ! filler ! filler …
 *
 * Of the B events of a topic that interests the user three quarters have the type `like` and one
 * quarter `skip`; of a topic that does not, the other way round. Filler is of type `view` and goes
 * through its items in turn, so that all users have the same. An impression shows a candidate of a
 * random topic: its label is 1 with probability 0.9 if the topic interests the user, else 0.1.
 * After each impression comes an event of filler.
 *
 * So the label is in the proportion of two kinds of old events, and nowhere else. The last 50
 * events are the same for every user. And since B / 4 >= 64, so are any 50 events that are chosen
 * by the similarity of candidate and event alone: equal events have equal logits, so a second kind
 * of the topic comes in only when the first is used up, which takes 64. Attention over the whole
 * history sees the proportion. The most AUC that there is to be had is GENERATE_BEST_AUC.
 */
#ifndef VQL_TRAIN_GENERATE_H
#define VQL_TRAIN_GENERATE_H

#include <stdint.h>

#include "vql/error.h"

enum {
    GENERATE_RECENT = 200,   /* events of filler at the end of a history */
    GENERATE_BLOCK = 256,    /* the least B */
    GENERATE_CANDIDATES = 8, /* of a topic */
    GENERATE_FILLER = 16,    /* the fewest items of filler */
};

#define GENERATE_BEST_AUC 0.9

typedef struct generate_spec {
    uint32_t users;
    uint32_t items;       /* at least topics · (GENERATE_CANDIDATES + 1) + GENERATE_FILLER */
    uint32_t topics;      /* at least 1 */
    uint32_t length;      /* at least topics · GENERATE_BLOCK + GENERATE_RECENT */
    uint32_t impressions; /* of each user: 8 of 10 to train, 1 to validate, 1 to test */
    uint64_t seed;
} generate_spec;

/*
 * Writes events.tsv.gz, impressions.tsv.gz and items.tsv.gz into a folder, which is made if it is
 * not there; none of the files may be. Returns VQL_OK; VQL_VALUE with what of the spec is out of
 * range; VQL_FORMAT when a file cannot be written.
 */
vql_code generate_log(const generate_spec *spec, const char *folder, vql_error *error);

#endif
