/*
 * An address that the server listens on, and the sockets of the workers there.
 *
 *   HOST:PORT    each worker has a socket of its own, among which the kernel spreads connections
 *                (SO_REUSEPORT)
 *   unix:PATH    all workers accept from one socket, PATH; PATH.lock is locked while the server
 *                lives, so that a socket that a dead server left can be told from one in use
 *
 * What goes wrong is logged.
 */
#ifndef VQL_SERVER_LISTENER_H
#define VQL_SERVER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

enum { LISTENER_TEXT_BYTES = 320 }; /* "[host]:port" or "unix:path" */

struct addrinfo;

typedef struct listener {
    address where;
    struct addrinfo *info; /* of HOST:PORT; the first socket sets its port */
    int fd;                /* of unix:PATH: the bound socket; -1: none */
    int lock;              /* of unix:PATH: the locked file; -1: none */
    uint64_t device, file; /* of unix:PATH: which file the socket is */
} listener;

/*
 * Makes sure that nobody else listens there; nobody does here, either, yet. mode: of a Unix
 * socket's file. To be called before there are threads. False: *l is closed.
 */
bool listener_open(listener *l, const address *where, uint32_t mode);

/* Removes a Unix socket's file, if it is still there, and forgets the address. */
void listener_close(listener *l);

/* A bound socket for one more worker, which owns it; -1: none. */
int listener_socket(listener *l);

/* Whether only this machine can connect: a Unix socket, or a loopback address. */
bool listener_is_local(const listener *l);

/* Writes the address that is listened on, in digits, to out of LISTENER_TEXT_BYTES. */
void listener_format(const listener *l, char *out);

#endif
