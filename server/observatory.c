#include "observatory.h"

#include <string.h>
#include <time.h>

#include "address.h"
#include "limit.h"
#include "log.h"
#include "metrics_page.h"
#include "pages.h"
#include "status_page.h"

/* The process answers. */
static void show_healthz(void *context, const admin_request *asked, admin_answer *answer)
{
    (void)context, (void)asked;
    (void)fputs("ok\n", answer->body);
}

unsigned observatory_outages(const observatory *o)
{
    if (o->redis)
        return redis_database_outages(o->redis);
    return o->database ? database_outages(o->database) : 0;
}

bool observatory_is_ready(const observatory *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (!atomic_load_explicit(&o->workers[i].serves, memory_order_relaxed))
            return false;
    return true;
}

/* Whether all workers have said what they are like. */
static bool is_told(const observatory *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (atomic_load_explicit(&o->workers[i].asked, memory_order_acquire))
            return false;
    return true;
}

void observatory_ask(const observatory *o)
{
    for (uint32_t i = 0; i < o->count; i++)
        worker_ask(&o->workers[i]);
    for (int looks = 0; looks < LIMIT_ASK_MS && !is_told(o); looks++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

bool observatory_open(observatory *o)
{
    address where;
    char text[LISTENER_TEXT_BYTES];
    if (!o->config->admin)
        return true;
    (void)address_list_parse(o->config->admin, &where, 1);
    if (!listener_open(&o->listener, &where, o->config->unix_mode))
        return false;
    const int fd = listener_socket(&o->listener);
    const bool local = listener_is_local(&o->listener);
    o->inspector = (inspector){
        .models = o->models,
        .workers = o->workers,
        .count = o->count,
        .allowed = o->config->inspect == CONFIG_INSPECT_ON ||
                   (o->config->inspect == CONFIG_INSPECT_AUTO && local),
    };
    const admin_page own[] = {
        {"/healthz", show_healthz, o},      {"/api/user", inspector_show, &o->inspector},
        {"/readyz", status_page_ready, o},  {"/statusz", status_page_show, o},
        {"/metrics", metrics_page_show, o},
    };
    admin_page all[sizeof own / sizeof *own + PAGES];
    memcpy(all, own, sizeof own);
    pages_write(all + sizeof own / sizeof *own);
    if (fd >= 0)
        o->admin = admin_start(fd, local, all, sizeof all / sizeof *all);
    if (!o->admin) {
        listener_close(&o->listener);
        log_error("cannot open the admin port", log_str("admin", o->config->admin));
        return false;
    }
    listener_format(&o->listener, text);
    log_info("showing pages", log_str("admin", text));
    if (!local)
        log_warn("the admin port is not a loopback address: whoever can reach it may read it",
                 log_str("admin", text));
    return true;
}

void observatory_close(observatory *o)
{
    if (!o->admin)
        return;
    admin_stop(o->admin);
    listener_close(&o->listener);
    o->admin = NULL;
}
