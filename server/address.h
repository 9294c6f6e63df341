/*
 * HOST:PORT, as --listen takes it. An IPv6 host stands in brackets: [::1]:7070.
 */
#ifndef VQL_SERVER_ADDRESS_H
#define VQL_SERVER_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_BYTES = 254 }; /* a DNS name's 253, and the terminator */

typedef struct address {
    char host[ADDRESS_HOST_BYTES]; /* without brackets, terminated */
    uint16_t port;                 /* 0: any free port */
} address;

/*
 * Takes text apart; no name is looked up. False, with *out untouched, when text is not HOST:PORT.
 */
bool address_parse(const char *text, address *out);

#endif
