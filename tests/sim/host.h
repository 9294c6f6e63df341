/*
 * The server without sockets, loop or threads: as many workers as the plan says, each with its
 * service, its shard and its connections, which take turns as their loops would. A worker has a
 * turn only when something has woken it, so that a wake-up that is missing is found.
 */
#ifndef VQL_TESTS_HOST_H
#define VQL_TESTS_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "cable.h"
#include "event.h"
#include "registry.h"

typedef struct host host;

/* Starts the server of the world's plan. */
host *host_new(registry *models);

/* Takes the server's end of a new connection. False: it is refused, and the cable is untouched. */
bool host_connect(host *h, cable *w);

/* One of the workers that have something to do has a turn. False: none has. */
bool host_turn(host *h);

/* The server is told to stop: it finishes what it has. */
void host_drain(host *h);

/* Bytes that clients have sent, closed ones too, and that are yet to arrive. */
size_t host_unread(const host *h);

/* How many connections there are, calls in them, and requests under way. */
uint32_t host_connections(const host *h);
uint32_t host_calls(const host *h);
uint32_t host_jobs(const host *h);

/*
 * The events of a user, oldest first, straight from the shard that has them, which has nothing else
 * to do: returns how many; the caller frees *events.
 */
size_t host_history(host *h, uint64_t user_id, event **events);

/* Ends the server, whatever is under way. */
void host_free(host *h);

#endif
