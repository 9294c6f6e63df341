/*
 * A connection of vqlbench on a socket, encrypted or not, that is made again when it ends.
 */
#ifndef VQL_CLIENT_LOAD_LINK_H
#define VQL_CLIENT_LOAD_LINK_H

#include <sys/socket.h>

#include "load_connection.h"

typedef struct load_link load_link;

/* Where links lead; must outlive them. */
typedef struct load_target {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    char host[256];
    const vqlc_tls *tls; /* NULL: nothing is encrypted */
    int epoll;           /* where sockets are registered, with the link as data */
} load_target;

/*
 * Looks up HOST:PORT, or takes unix:PATH, into address and host. False: error, of error_bytes, says
 * what is wrong.
 */
bool load_target_resolve(load_target *target, const char *server, char *error, size_t error_bytes);

/* NULL when there is no memory. options are copied, their texts not. */
load_link *load_link_new(const load_target *target, const load_connection_options *options);
void load_link_free(load_link *l);

/* Connects, if it is not and the time for another attempt has come. */
void load_link_connect(load_link *l, uint64_t now_ns);

/* The connection; NULL: there is none now. */
load_connection *load_link_connection(load_link *l);

/*
 * Takes what has come, after the socket was reported ready. before_feed(context) is called when
 * bytes have been read, before their answers are told.
 */
void load_link_receive(load_link *l, void (*before_feed)(void *context), void *context);

/* Sends what there is to send and the socket takes. */
void load_link_send(load_link *l);

/* Why the last connection ended, or could not be made; "": none has. */
const char *load_link_error(const load_link *l);

/* How many connections were made. */
uint64_t load_link_connected(const load_link *l);

/* Ends the connection and its calls, with this status. */
void load_link_drop(load_link *l, vqlc_status status, const char *why);

#endif
