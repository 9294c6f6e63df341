#include "address.h"

#include <string.h>

/* 0 to 65535 in decimal digits, to the end of text. */
static bool parse_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9' && port <= UINT16_MAX; c++)
        port = port * 10 + (uint32_t)(*c - '0');
    if (c == text || *c != '\0' || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

bool address_parse(const char *text, address *out)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    const char *host = text;
    size_t length = (size_t)(colon - text);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length)) {
        return false;
    }
    uint16_t port;
    if (length == 0 || length >= sizeof out->host || !parse_port(colon + 1, &port))
        return false;
    memcpy(out->host, host, length);
    out->host[length] = '\0';
    out->port = port;
    return true;
}
