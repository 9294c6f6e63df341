/*
 * The options of training, and what they come to.
 */
#ifndef VQL_TRAIN_OPTIONS_H
#define VQL_TRAIN_OPTIONS_H

#include "commands.h"
#include "config.h"

typedef struct train_fields {
    /* What is read and written. */
    char *config_file;
    char *data;       /* never NULL */
    char *output;     /* NULL: no model file */
    char *name;       /* the model's; NULL: the output's file name without its ending */
    char *checkpoint; /* NULL: the output's name and ".checkpoint", or none without output */
    char *metrics;    /* NULL: none */
    char *report;     /* NULL: none */
    bool resume;
    uint32_t checkpoint_seconds;
    uint32_t threads; /* 0: one for each core */

    /* What the model follows from. */
    uint32_t min_count;
    uint32_t seed;
    char *attention, *codewords, *hidden, *decays, *mixture; /* config has their values */
    bool separate_context;                                   /* not static_context */
    train_config config;
} train_fields;

/*
 * Reads all sources into *fields, which is all zeros, and checks them. command_begin says the rest.
 */
bool options_begin(int argc, char *const *argv, train_fields *fields, command_status *status);
void options_free(train_fields *fields);

enum { OPTIONS_TEXT_BYTES = 512 };

/*
 * Writes the name and the value of the i-th option that the model follows from; value has room for
 * OPTIONS_TEXT_BYTES. False from their number on.
 */
bool options_shown(const train_fields *fields, size_t i, const char **name, char *value);

#endif
