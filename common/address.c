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

static bool parse_path(const char *path, address *out)
{
    const size_t length = strlen(path);
    if (path[0] != '/' || length >= sizeof out->path)
        return false;
    *out = (address){0};
    memcpy(out->path, path, length);
    return true;
}

bool address_parse(const char *text, address *out)
{
    static const char scheme[] = "unix:";
    if (strncmp(text, scheme, sizeof scheme - 1) == 0 && text[sizeof scheme - 1] == '/')
        return parse_path(text + sizeof scheme - 1, out);
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
    out->path[0] = '\0';
    return true;
}

size_t address_list_parse(const char *text, address *out, size_t capacity)
{
    size_t count = 0;
    for (const char *end; text; text = end ? end + 1 : NULL) {
        char one[ADDRESS_HOST_BYTES + 16];
        address where;
        end = strchr(text, ',');
        const size_t length = end ? (size_t)(end - text) : strlen(text);
        if (count == capacity || length >= sizeof one)
            return 0;
        memcpy(one, text, length);
        one[length] = '\0';
        if (!address_parse(one, out ? &out[count] : &where))
            return 0;
        count++;
    }
    return count;
}
