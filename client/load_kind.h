/*
 * The kinds of calls that vqlbench makes: a method of the contract each.
 */
#ifndef VQL_CLIENT_LOAD_KIND_H
#define VQL_CLIENT_LOAD_KIND_H

#include <stdbool.h>

#define LOAD_KINDS(X)                                                                              \
    X(SCORE, "score", "/vql.v1.Scoring/Score")                                                     \
    X(APPEND, "append", "/vql.v1.History/Append")                                                  \
    X(SCORE_STREAM, "score-stream", "/vql.v1.Scoring/ScoreStream")                                 \
    X(APPEND_STREAM, "append-stream", "/vql.v1.History/AppendStream")

typedef enum load_kind {
#define LOAD_KIND_ENUM(name, text, path) LOAD_##name,
    LOAD_KINDS(LOAD_KIND_ENUM)
#undef LOAD_KIND_ENUM
        LOAD_KIND_COUNT
} load_kind;

/* "score"; a static string. */
const char *load_kind_name(load_kind kind);

/* "/vql.v1.Scoring/Score"; a static string. */
const char *load_kind_path(load_kind kind);

/* Whether a call is one message of a long stream. */
bool load_kind_streams(load_kind kind);

/* Whether a call writes. */
bool load_kind_appends(load_kind kind);

#endif
