/*
 * Where to listen, as --listen has it: HOST:PORT, where an IPv6 host stands in brackets
 * ([::1]:7070), or unix:PATH, a socket in the file system. Several are joined by commas.
 */
#ifndef VQL_COMMON_ADDRESS_H
#define VQL_COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ADDRESS_HOST_BYTES = 254, /* a DNS name's 253, and the terminator */
    ADDRESS_PATH_BYTES = 108, /* as in struct sockaddr_un */
};

typedef struct address {
    char host[ADDRESS_HOST_BYTES]; /* without brackets, terminated */
    uint16_t port;                 /* 0: any free port */
    char path[ADDRESS_PATH_BYTES]; /* absolute; "": host and port are the address */
} address;

/*
 * Takes text apart; no name is looked up. False, with *out untouched, when text is neither
 * HOST:PORT nor unix: and an absolute path.
 */
bool address_parse(const char *text, address *out);

/*
 * Takes a list apart. Returns how many addresses it has, 1 to capacity, or 0 when it is none or
 * longer; out, which may be NULL, may be changed then.
 */
size_t address_list_parse(const char *text, address *out, size_t capacity);

#endif
