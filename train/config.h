/*
 * What a model is made like and how it is trained. vql.md §1 has the symbols, §8 the training.
 */
#ifndef VQL_TRAIN_CONFIG_H
#define VQL_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "vql/error.h"

enum {
    TRAIN_MAX_GROUPS = 64,
    TRAIN_MAX_KERNELS = 16,
    TRAIN_MAX_HIDDEN = 8, /* hidden layers of the head */
    TRAIN_MAX_THREADS = 256,
};

/* How a history becomes o. All share the data, the head, and all but the sum over events. */
typedef enum train_attention {
    ATTENTION_VQL,   /* §6: quantized keys */
    ATTENTION_EXACT, /* the same, never quantized */
    ATTENTION_TOP,   /* exact, over the attention_count events of the largest logits of each head */
    ATTENTION_SEARCH, /* the same, over events of the largest q · k, which all heads share */
    ATTENTION_HASH, /* events weigh by how many of their signatures match the candidate's (SDIM) */
    ATTENTION_MEAN, /* the mean of the values */
    ATTENTION_NONE, /* o = 0 */
} train_attention;

/* The two forms of ATTENTION_VQL, whose gradients are the same. */
typedef enum train_form {
    FORM_AUTO,   /* for every user of a batch the one that costs less */
    FORM_DIRECT, /* a sum over the history's distinct (item, type) rows */
    FORM_SCAN,   /* a forward scan builds the cache, a reverse scan hands gradients to events */
} train_form;

typedef struct train_config {
    /* The shape. */
    uint32_t width;                          /* D */
    uint32_t heads;                          /* H */
    uint32_t groups;                         /* G */
    uint32_t codewords[TRAIN_MAX_GROUPS];    /* K_g, [groups] */
    uint32_t kernels;                        /* R; 0: no kernel, κ = 1 */
    uint32_t item_width;                     /* E */
    uint32_t field_width;                    /* E_f, of every field */
    uint32_t type_width;                     /* E_a */
    uint32_t hidden_layers;                  /* 0 … TRAIN_MAX_HIDDEN */
    uint32_t hidden[TRAIN_MAX_HIDDEN];       /* their widths */
    double decay_start[TRAIN_MAX_KERNELS];   /* λ per hour at the start, [kernels]; above 0 */
    double mixture_start[TRAIN_MAX_KERNELS]; /* w's logits at the start, of every head, [kernels] */

    /* The attention. */
    train_attention attention;
    uint32_t attention_count; /* N of TOP and SEARCH */
    uint32_t max_history;     /* the last events that an impression sees; at least 1 */
    bool static_context;      /* false: keys and values see the item's id embedding alone */
    bool quantize_values; /* values are replaced by their codeword's mean, too; no file holds it */
    train_form form;

    /* The training. */
    uint32_t epochs;
    uint32_t warm_epochs; /* of VQL: with exact attention, before the codebooks exist */
    uint32_t batch;       /* impressions a step */
    uint32_t run;         /* impressions of one user that are drawn together; 1: each by itself */
    uint32_t patience;    /* epochs without a better validation before the end; 0: all epochs */
    double rate;
    double kernel_rate;     /* of λ and w */
    double hold;            /* the part of the steps at the full rate */
    double final_rate;      /* what the rate falls to in the end, as a part of it */
    double weight_decay;    /* of all but λ and w */
    double embedding_decay; /* of item and field embeddings, instead of weight_decay */
    double dropout;         /* of the head's hidden layers: 0 ≤ p < 1 */
    double commitment;      /* β */
    double codebook_memory; /* 0.95 of N ← 0.95 N + 0.05 n */
    double count_memory;    /* 0.995 of cnt ← 0.995 cnt + 0.005 batch count */
    uint32_t reseed_every;  /* steps; 0: never */
    uint64_t seed;
    uint32_t threads; /* 1 … TRAIN_MAX_THREADS */
} train_config;

/* D = 64, H = G = 4, K = 256, R = 3 and what goes with it. */
train_config train_config_default(void);

/* VQL_OK, or VQL_VALUE with the name of what is out of range, the value and the limit. */
vql_code train_config_check(const train_config *config, vql_error *error);

/* Whether attention is over attention_count events of a history, chosen for each candidate. */
bool train_config_chooses(const train_config *config);

/* "vql", "exact", "top", "search", "hash", "mean", "none": static strings. */
const char *train_attention_name(train_attention attention);

#endif
