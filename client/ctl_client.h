/*
 * A channel for a command that asks one thing after another: a loop of its own, which runs until
 * the answer is there.
 */
#ifndef VQL_CLIENT_CTL_CLIENT_H
#define VQL_CLIENT_CTL_CLIENT_H

#include <stdbool.h>

#include "ctl_arguments.h"
#include "ctl_channel.h"
#include "ctl_event_types.h"
#include "vqlclient.h"

typedef struct ctl_client {
    uv_loop_t loop;
    ctl_channel how; /* the channel is made */
    vqlc_channel *channel;
    vqlc_call_options options; /* of every call: --deadline */
    unsigned waiting;          /* calls that have not been answered */
    ctl_exit exit;             /* the worst of the answers so far */
} ctl_client;

/* Opens a channel to --server. Not CTL_OK: what is wrong was printed, and there is nothing open. */
ctl_exit ctl_client_open(ctl_client *client, const ctl_arguments *arguments);
void ctl_client_close(ctl_client *client);

/*
 * Notes that a call was started, or that there was no memory for it (call is NULL), which is
 * printed.
 */
void ctl_client_expect(ctl_client *client, const vqlc_call *call);

/* Notes an answer; an error is printed. Returns whether there was none. */
bool ctl_client_answered(ctl_client *client, const vqlc_result *result);

/* Runs the loop until all calls are answered and returns client->exit. */
ctl_exit ctl_client_wait(ctl_client *client);

/* Asks for the active model's event types; *types is empty when the answer is not CTL_OK. */
ctl_exit ctl_client_event_types(ctl_client *client, event_types *types);

/* Prints "STATUS: message" to standard error and returns how to exit. */
ctl_exit ctl_report(const vqlc_result *result);

/* Says that there is no memory, and returns how to exit. */
ctl_exit ctl_no_memory(void);

#endif
