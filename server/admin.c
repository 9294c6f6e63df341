#include "admin.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit.h"
#include "log.h"

const char admin_text[] = "text/plain; charset=utf-8";
const char admin_html[] = "text/html; charset=utf-8";
const char admin_json[] = "application/json";

struct admin {
    struct MHD_Daemon *daemon;
    bool local;
    size_t count;
    admin_page pages[];
};

struct admin_request {
    struct MHD_Connection *connection;
};

const char *admin_argument(const admin_request *asked, const char *name)
{
    return MHD_lookup_connection_value(asked->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static const admin_page *find_page(const admin *a, const char *path)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->pages[i].path, path) == 0)
            return &a->pages[i];
    return NULL;
}

/* "127.0.0.1", "[::1]", "localhost", each with a port or without one. */
static bool is_local_name(const char *host)
{
    static const char name[] = "localhost";
    const size_t length = sizeof name - 1;
    if (host[0] == '[')
        return true;
    if (strncasecmp(host, name, length) == 0)
        return host[length] == '\0' || host[length] == ':';
    return host[0] != '\0' && host[strspn(host, "0123456789.:")] == '\0';
}

/* Whether the request is one that is answered with a page; else *answer says why it is not. */
static bool accept_request(const admin *a, struct MHD_Connection *connection, const char *method,
                           admin_answer *answer)
{
    const char *host = header_of(connection, MHD_HTTP_HEADER_HOST);
    const char *length = header_of(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer->status = MHD_HTTP_METHOD_NOT_ALLOWED;
        (void)fprintf(answer->body, "method %.32s: only GET and HEAD are\n", method);
    } else if ((length && strcmp(length, "0") != 0) ||
               header_of(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        answer->status = MHD_HTTP_BAD_REQUEST;
        (void)fputs("a request has no body here\n", answer->body);
    } else if (a->local && host && !is_local_name(host)) {
        answer->status = MHD_HTTP_MISDIRECTED_REQUEST;
        (void)fputs("Host: on a loopback address it is localhost or a number\n", answer->body);
    } else {
        return true;
    }
    return false;
}

static void show_page(const admin *a, struct MHD_Connection *connection, const char *path,
                      admin_answer *answer)
{
    const admin_page *page = find_page(a, path);
    if (page) {
        const admin_request asked = {connection};
        page->show(page->context, &asked, answer);
        return;
    }
    answer->status = MHD_HTTP_NOT_FOUND;
    (void)fprintf(answer->body, "no page %.200s; there are:\n", path);
    for (size_t i = 0; i < a->count; i++)
        (void)fprintf(answer->body, "%s\n", a->pages[i].path);
}

/* Sends what was written; the bytes, which malloc gave, are given away. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const admin_answer *answer,
                                   char *bytes, size_t count)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(count, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(bytes);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, "Content-Security-Policy",
                                  "default-src 'self'; frame-ancestors 'none'");
    if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    const enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/*
 * A request: told of first with its headers, when *state is NULL and what is refused can be before
 * its body is read, and once more when it is complete.
 */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *http_version,
                                  const char *body, size_t *body_bytes, void **state)
{
    static char begun;
    (void)http_version, (void)body;
    *body_bytes = 0; /* which there are none of */
    const admin *a = context;
    char *bytes = NULL;
    size_t count = 0;
    admin_answer answer = {
        .status = MHD_HTTP_OK, .type = admin_text, .body = open_memstream(&bytes, &count)};
    if (!answer.body)
        return MHD_NO;
    const bool accepted = *state != NULL || accept_request(a, connection, method, &answer);
    const bool waits = accepted && *state == NULL;
    if (accepted && !waits)
        show_page(a, connection, path, &answer);
    if (fclose(answer.body) != 0 || waits) {
        free(bytes);
        *state = &begun;
        return waits ? MHD_YES : MHD_NO;
    }
    return send_answer(connection, &answer, bytes, count);
}

static void on_log(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void on_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    char text[256];
    (void)vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("admin", log_str("note", text));
}

admin *admin_start(int fd, bool local, const admin_page *pages, size_t count)
{
    admin *a = calloc(1, sizeof *a + count * sizeof *pages);
    if (a && listen(fd, LIMIT_BACKLOG) == 0) {
        a->local = local;
        a->count = count;
        memcpy(a->pages, pages, count * sizeof *pages);
        a->daemon = MHD_start_daemon(
            MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
            on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_ADMIN_CONNECTIONS,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LIMIT_ADMIN_SILENCE_S,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_ADMIN_CONNECTION_BYTES,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    }
    if (a && a->daemon)
        return a;
    (void)close(fd);
    free(a);
    return NULL;
}

void admin_stop(admin *a)
{
    if (!a)
        return;
    MHD_stop_daemon(a->daemon); /* which closes the socket */
    free(a);
}
