/*
 * The inside of a vqlc_channel, for calls.c and streams.c.
 *
 * A channel always has a current connection, on which calls start, whether it has a socket yet or
 * not. Connections that the server takes no more calls on live beside it until theirs have ended.
 */
#ifndef VQL_CLIENT_CHANNEL_H
#define VQL_CLIENT_CHANNEL_H

#include "engine.h"

/*
 * Starts an rpc with the deadline and the waiting that options (NULL: none) ask for; these two
 * members of *request are filled in. NULL when there is no memory or the channel is closed.
 */
rpc *channel_start(vqlc_channel *channel, const vqlc_call_options *options, rpc_request *request);

#endif
