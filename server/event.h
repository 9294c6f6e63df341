/*
 * An event of a user's history, as requests carry it and stores keep it (vql.v1.Event).
 */
#ifndef VQL_SERVER_EVENT_H
#define VQL_SERVER_EVENT_H

#include <stdint.h>

typedef struct event {
    uint64_t item_id;
    uint64_t id; /* 0: none */
    int64_t time_ms;
    uint32_t type;
} event;

#endif
