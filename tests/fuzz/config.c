/*
 * A configuration file: refused with a text that names the line, or values within their ranges.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "address.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const int fd = memfd_create("config", 0);
    assert(fd >= 0);
    const ssize_t written = write(fd, bytes, count);
    assert(written == (ssize_t)count);
    char path[32];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", fd);
    char program[] = "vqld";
    char flag[] = "--config";
    char *const arguments[] = {program, flag, path, NULL};
    char *const environment[] = {NULL};
    config c;
    config_error error = {.text = ""};
    const config_outcome outcome = config_load(&c, 3, arguments, environment, &error);
    if (outcome == CONFIG_LOADED) {
        address where;
        assert(c.model && address_parse(c.listen, &where));
        assert(c.max_message_bytes <= UINT32_MAX && c.max_streams > 0);
    } else if (outcome == CONFIG_FAILED) {
        assert(error.text[0] != '\0' && memchr(error.text, '\0', sizeof error.text));
    }
    config_free(&c);
    (void)close(fd);
    return 0;
}
