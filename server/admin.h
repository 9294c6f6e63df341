/*
 * The admin port: HTTP/1.1 for those who watch the server, on a thread of its own, so that no
 * event loop waits for them. Whoever may connect may see every page; docs/SECURITY.md says who
 * that should be.
 *
 *   GET or HEAD of a page's path ─> its show, on the admin thread, one at a time ─> the answer
 *
 * Anything else is answered here: 404, 405, 400 for a request with a body, and 421 on a loopback
 * address for a Host that is neither localhost nor a number, since a page of another site might
 * have had its name point here (DNS rebinding). Connections, their memory and their silence are
 * bounded (LIMIT_ADMIN_…).
 */
#ifndef VQL_SERVER_ADMIN_H
#define VQL_SERVER_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct admin admin;

/* What is asked for; valid while a page is shown. */
typedef struct admin_request admin_request;

/* What is answered. */
typedef struct admin_answer {
    unsigned status;  /* of HTTP; 200 at first */
    const char *type; /* Content-Type, a static string; plain text at first */
    FILE *body;       /* memory, to be written to */
} admin_answer;

/* A page; the strings are static. */
typedef struct admin_page {
    const char *path; /* "/statusz" */
    void (*show)(void *context, const admin_request *asked, admin_answer *answer);
    void *context;
} admin_page;

/* Content types, for admin_answer. */
extern const char admin_text[], admin_html[], admin_json[];

/*
 * Listens on a bound socket, which becomes the server's even if it cannot start, and shows the
 * pages, which are copied. local: the socket's address is a loopback one. NULL: no thread, or no
 * memory.
 */
admin *admin_start(int fd, bool local, const admin_page *pages, size_t count);

/* Ends the thread, behind the page that is being shown. NULL is allowed. */
void admin_stop(admin *a);

/* The value of an argument of the query, decoded; NULL: it is not there. */
const char *admin_argument(const admin_request *asked, const char *name);

#endif
