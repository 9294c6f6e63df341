/*
 * vqlbench's options: see --help.
 */
#ifndef VQL_CLIENT_LOAD_SETTINGS_H
#define VQL_CLIENT_LOAD_SETTINGS_H

#include <stdint.h>

#include "load_kind.h"
#include "settings.h"

typedef enum load_arrivals { LOAD_CONSTANT, LOAD_POISSON, LOAD_CLOSED } load_arrivals;

typedef struct load_settings {
    char *config;
    char *server;
    bool tls;
    char *tls_ca, *tls_cert, *tls_key, *tls_server_name;
    char *token, *token_file;

    uint32_t arrivals; /* a load_arrivals */
    double rate, rate_end;
    uint32_t steps;
    double duration, warmup;
    uint32_t connections, streams, backlog, deadline_ms;
    uint64_t drain_ms, interval_ms;

    char *users;
    double zipf;
    char *items;
    uint32_t candidates, events, event_types;
    char *mix;
    char *model;
    uint32_t seed;

    bool verify;
    char *verify_server;
    double search, search_step, max_failed;
    char *json, *html, *hdr_log;
    bool quiet;
} load_settings;

extern const settings_table load_settings_table;

/* Checks what options have to do with each other. */
bool load_settings_check(const load_settings *s, settings_error *error);

/* Takes --mix apart, "score=8,append=1", into the kinds' shares. */
bool load_settings_mix(const load_settings *s, uint32_t shares[LOAD_KIND_COUNT],
                       settings_error *error);

#endif
