#include "redis_url.h"

#include <ctype.h>
#include <string.h>

static int hex(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Decodes %XX into out of REDIS_LOGIN_BYTES. False: it is no such text, or too long. */
static bool decode(const char *text, size_t bytes, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= bytes || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return false;
            c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        }
        if (c == '\0' || used + 1 >= REDIS_LOGIN_BYTES)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

const char *redis_url_parse(const char *text, redis_url *out)
{
    static const char scheme[] = "redis://";
    *out = (redis_url){.seed_count = 0};
    if (strncmp(text, scheme, strlen(scheme)) != 0)
        return "redis:// must begin it";
    text += strlen(scheme);
    const char *at = strrchr(text, '@');
    if (at) {
        const char *colon = memchr(text, ':', (size_t)(at - text));
        if (!colon)
            return "a password must stand before @, as in USER:PASSWORD@ or :PASSWORD@";
        if (!decode(text, (size_t)(colon - text), out->user) ||
            !decode(colon + 1, (size_t)(at - colon - 1), out->password))
            return "user and password may have 255 bytes each, with %XX for bytes";
        text = at + 1;
    }
    out->seed_count = address_list_parse(text, out->seeds, REDIS_SEEDS);
    for (size_t i = 0; i < out->seed_count; i++)
        if (out->seeds[i].path[0] != '\0' || out->seeds[i].port == 0)
            return "each node must be HOST:PORT";
    return out->seed_count > 0 ? NULL : "1 to 16 nodes HOST:PORT, joined by commas, must follow";
}
