/*
 * The server's configuration: one table of options in config.c, read as common/settings.h says.
 */
#ifndef VQL_SERVER_CONFIG_H
#define VQL_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"
#include "settings.h"

typedef enum config_scoring { CONFIG_SCORING_F32, CONFIG_SCORING_INT16 } config_scoring;

/* Which of a folder's models are loaded: server/loader.h. */
typedef enum config_models { CONFIG_MODELS_LATEST, CONFIG_MODELS_MANUAL } config_models;

/* The last three are the numbers of server/store.h. */
typedef enum config_durability {
    CONFIG_DURABILITY_AUTO,
    CONFIG_DURABILITY_MEMORY,
    CONFIG_DURABILITY_ASYNC,
    CONFIG_DURABILITY_SYNC
} config_durability;

/* Who may look at users on the admin port. */
typedef enum config_inspect {
    CONFIG_INSPECT_AUTO, /* whoever is on this machine */
    CONFIG_INSPECT_OFF,
    CONFIG_INSPECT_ON,
} config_inspect;

/* Every value lies in the range that the table gives it. Strings are the configuration's own. */
typedef struct config {
    char *config_file;   /* NULL: none */
    char *model;         /* the model file, or a folder of them; never NULL */
    char *listen;        /* address_list_parse succeeds with LIMIT_LISTENERS */
    char *admin;         /* address_list_parse succeeds with 1; NULL: no admin port */
    char *port_file;     /* written with the addresses once serving, each a line; NULL: none */
    char *tls_cert;      /* NULL: no TLS */
    char *tls_key;       /* NULL if tls_cert is, and only then */
    char *tls_client_ca; /* NULL: clients need no certificates; needs tls_cert */
    char *tokens;        /* NULL: everything is allowed to everybody */
    char *store;         /* config_store_folder has its folder */
    char *export_file;   /* to write the store's events to, and exit; NULL: none */
    char *backup;        /* a folder that SIGUSR1 makes a copy of the store in; NULL: none */
    bool check;          /* verify model and store, then exit */

    uint32_t inspect;      /* a config_inspect */
    uint32_t durability;   /* a config_durability, not AUTO */
    uint32_t log_level;    /* a log_level */
    uint32_t log_calls;    /* lines a second and thread about calls; 0: none */
    uint64_t slow_call_ms; /* from which a call is slow; 0: none is */

    uint32_t retain_events; /* of each user; 0: all */
    uint32_t retain_days;   /* 0: for ever */

    uint32_t threads;                     /* event loops; 0: as many as there are cores */
    uint32_t model_policy;                /* a config_models */
    uint32_t max_models;                  /* versions loaded at once; at most LIMIT_MODELS */
    uint32_t max_connections;             /* of one thread */
    uint32_t max_connections_per_address; /* of all threads; 0: any number */
    uint32_t max_handshakes;              /* of TLS, under way on one thread */
    uint32_t unix_mode;                   /* of Unix sockets */
    uint32_t max_streams;                 /* calls at a time on one connection */
    uint32_t max_candidates;              /* of one request */
    uint32_t max_events;                  /* of one request */
    uint64_t max_message_bytes;           /* of one request; fits uint32_t */
    uint64_t max_connection_bytes; /* of one connection's unfinished messages or unread answers */
    uint64_t max_pending_bytes;    /* of one thread's requests and answers; fits size_t */
    uint64_t handshake_ms, headers_ms, stall_ms, idle_ms, body_ms; /* 0: no limit */
    uint64_t max_future_ms; /* how far an event may lie ahead of the server's clock; fits int64_t */
    uint64_t memory;        /* bytes of users' caches; 0: no limit; fits size_t */
    uint32_t kernel;        /* config_kernel names it */
    uint32_t cache_format;  /* a vql_cache_format */
    uint32_t scoring_format;   /* a config_scoring */
    uint32_t max_new_items;    /* that a version of the model has room for */
    uint64_t table_bytes;      /* the most that the catalog's table may take; fits size_t */
    uint32_t shed_target_ms;   /* see server/shedder.h */
    uint32_t shed_interval_ms; /* at least shed_target_ms */
    uint64_t drain_ms;         /* how long a stop waits for open calls */
    uint64_t compress_above;   /* bytes from which answers are compressed; 0: none; fits uint32_t */
    uint64_t max_connection_age_ms;       /* 0: any */
    uint64_t max_connection_age_grace_ms; /* 0: any */
    uint64_t keepalive_ms;                /* of silence before a ping; 0: none */
    uint64_t keepalive_timeout_ms;        /* that an answer to it may take */
} config;

typedef enum config_outcome {
    CONFIG_LOADED,
    CONFIG_HELP,    /* --help was asked for: config_print_help is the answer; *out is empty */
    CONFIG_VERSION, /* --version was asked for; *out is empty */
    CONFIG_FAILED,  /* error says why; *out is empty */
} config_outcome;

typedef settings_error config_error;

/*
 * Reads all sources into *out, which needs no initialisation; config_free releases it, whatever the
 * outcome.
 *
 * argc, argv   as main has them
 * environment  "NAME=value" strings ended by NULL, as environ; variables of no option are not
 *              looked at: Kubernetes sets VQL_SERVICE_HOST and its like for a service named vql
 */
config_outcome config_load(config *out, int argc, char *const *argv, char *const *environment,
                           config_error *error);

/* Frees the strings, and leaves them NULL. */
void config_free(config *c);

/* Tells of every option that has a value, in the order of the table. */
void config_each(const config *c, void (*tell)(void *context, const char *name, const char *value),
                 void *context);

/* Where the Redis is that histories are in; NULL: they are in none. */
const char *config_store_redis(const config *c);

/* The folder of a store on disk; NULL: histories are in none. */
const char *config_store_folder(const config *c);

/* The level of kernels that was asked for; NULL: the best there is. A static string. */
const char *config_kernel(const config *c);

/* Writes the usage text: every option with its variable, default, range and help. */
void config_print_help(FILE *out);

#endif
