/*
 * A client and a session whose calls go to a router's services, joined back to back. The services
 * are added to rig.router before the start.
 */
#ifndef VQL_TESTS_ROUTER_RIG_H
#define VQL_TESTS_ROUTER_RIG_H

#include "h2_client.h"
#include "router.h"

typedef struct router_rig {
    peer peer;
    router router;
    session *session;
    h2_client *client;
    unsigned wakes;
} router_rig;

/* NULL options: ordinary ones, which compress no answers. */
void router_rig_start(router_rig *rig, const session_options *options);
void router_rig_stop(router_rig *rig);

/* Carries bytes both ways until neither side has any. */
void router_rig_run(router_rig *rig);

/* Opens a call of a method, sends one message and half-closes; then runs. */
int32_t router_rig_ask(router_rig *rig, const char *path, const void *message, size_t bytes);

/* The status of a call, which has ended. */
int router_rig_status(const router_rig *rig, int32_t stream_id);

#endif
