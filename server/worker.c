#include "worker.h"

#include <string.h>
#include <unistd.h>

#include "limit.h"
#include "log.h"
#include "vql_descriptors.h"

enum { NS_PER_US = 1000 };

static void on_busy(uv_idle_t *idle)
{
    (void)idle; /* its being active is what keeps the loop from blocking */
}

static void wake(void *context, uint32_t index)
{
    worker *w = context;
    (void)uv_async_send(&w->workers[index].wakeup);
}

void worker_wake(worker *w)
{
    (void)uv_async_send(&w->wakeup);
}

void worker_ask(worker *w)
{
    atomic_store_explicit(&w->asked, true, memory_order_relaxed);
    worker_wake(w);
}

/* From a clerk's thread. */
static void wake_self(void *context)
{
    worker_wake(context);
}

static void close_if_open(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void obey(worker *w, worker_command command)
{
    if (command <= w->obeyed)
        return;
    w->obeyed = command;
    for (uint32_t i = 0; i < w->listener_count; i++)
        close_if_open(&w->listeners[i].handle);
    health_drain(&w->health);
    reflection_drain(&w->reflection);
    service_drain(&w->service);
    if (command == WORKER_DRAIN) {
        connections_drain(&w->connections);
        return;
    }
    connections_close(&w->connections);
    close_if_open((uv_handle_t *)&w->wakeup);
    close_if_open((uv_handle_t *)&w->turn_start);
    close_if_open((uv_handle_t *)&w->turn_end);
    close_if_open((uv_handle_t *)&w->busy);
    close_if_open((uv_handle_t *)&w->behind);
    close_if_open((uv_handle_t *)&w->retention);
}

/* Histories are written and read; scores need only reading. */
static void tell_outages(worker *w)
{
    const unsigned outages = atomic_load_explicit(&w->outages, memory_order_acquire);
    if (outages == w->told_outages)
        return;
    w->told_outages = outages;
    health_set(&w->health, "vql.v1.History", outages == 0);
    health_set(&w->health, "vql.v1.Scoring", !(outages & STORE_UNREADABLE));
}

static void on_wakeup(uv_async_t *wakeup)
{
    (void)wakeup; /* the turn's end looks at everything that a wake-up can mean */
}

static void on_behind(uv_timer_t *timer)
{
    worker *w = timer->data;
    if (!post_work_behind(w->post, uv_hrtime, (uint64_t)LIMIT_BACKGROUND_US * NS_PER_US))
        (void)uv_timer_stop(timer);
}

/*
 * Writes, which may make sessions deliver requests that they had held back, and hands on what that
 * gave.
 */
static void finish_turn(worker *w)
{
    connections_flush(&w->connections);
    post_wake(w->post, wake, w);
    if (shard_has_background(w->post->shard) && !uv_is_active((uv_handle_t *)&w->behind))
        (void)uv_timer_start(&w->behind, on_behind, LIMIT_BACKGROUND_MS, LIMIT_BACKGROUND_MS);
    w->connections.busy = !shard_idle(w->post->shard);
    if (!w->connections.busy)
        (void)uv_idle_stop(&w->busy);
    else
        (void)uv_idle_start(&w->busy, on_busy);
    atomic_store_explicit(&w->open_connections, w->connections.count, memory_order_relaxed);
    atomic_store_explicit(&w->serves, health_serves(&w->health), memory_order_relaxed);
}

/* The thread's requests see the newest models. */
static void look_at_models(worker *w)
{
    (void)model_view_refresh(&w->service.models);
    model_set *models = w->service.models.current->set;
    shard_set_models(w->post->shard, models);
    atomic_store_explicit(&w->models_revision, models->revision, memory_order_release);
}

/* Says what the thread is like, if that was asked. */
static void tell_gauges(worker *w)
{
    if (!atomic_load_explicit(&w->asked, memory_order_relaxed))
        return;
    shard_gauge(w->post->shard);
    cell_set(&w->meters.shard.pending_bytes, w->service.ledger.used);
    cell_set(&w->meters.shard.pending_jobs, w->service.jobs.taken);
    atomic_store_explicit(&w->asked, false, memory_order_release);
}

/* After the sockets were read. */
static void on_turn_end(uv_check_t *check)
{
    worker *w = check->data;
    w->service.wall_ms = w->connections.wall_ms();
    w->service.now_ns = uv_hrtime();
    w->meters.now_ns = w->service.now_ns;
    look_at_models(w);
    post_receive(w->post);
    post_work(w->post, uv_hrtime, (uint64_t)LIMIT_TURN_US * NS_PER_US);
    tell_outages(w);
    tell_gauges(w);
    finish_turn(w);
    obey(w, (worker_command)atomic_load_explicit(&w->command, memory_order_acquire));
}

/* Before the loop blocks: timers and commands may have left something to write. */
static void on_turn_start(uv_prepare_t *prepare)
{
    finish_turn(prepare->data);
}

static void on_retention(uv_timer_t *timer)
{
    worker *w = timer->data;
    shard_retain(w->post->shard, w->connections.wall_ms());
}

static void on_connection(uv_stream_t *listener, int status)
{
    worker *w = listener->data;
    if (status < 0)
        log_warn("accept failed", log_str("error", uv_strerror(status)));
    else
        connections_accept(&w->connections, listener);
}

static int init_handles(worker *w)
{
    (void)uv_async_init(&w->loop, &w->wakeup, on_wakeup);
    (void)uv_prepare_init(&w->loop, &w->turn_start);
    (void)uv_check_init(&w->loop, &w->turn_end);
    (void)uv_idle_init(&w->loop, &w->busy);
    (void)uv_timer_init(&w->loop, &w->retention);
    w->retention.data = w;
    (void)uv_timer_init(&w->loop, &w->behind);
    w->behind.data = w;
    w->turn_start.data = w;
    w->turn_end.data = w;
    (void)uv_prepare_start(&w->turn_start, on_turn_start);
    return uv_check_start(&w->turn_end, on_turn_end);
}

static int listen_on(worker *w, int fd)
{
    worker_listener *l = &w->listeners[w->listener_count++];
    int result;
    if (uv_guess_handle(fd) == UV_TCP) {
        (void)uv_tcp_init(&w->loop, &l->tcp);
        result = uv_tcp_open(&l->tcp, fd);
    } else {
        (void)uv_pipe_init(&w->loop, &l->pipe, 0);
        result = uv_pipe_open(&l->pipe, fd);
    }
    l->handle.data = w;
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    return uv_listen(&l->stream, LIMIT_BACKLOG, on_connection);
}

static int listen_on_all(worker *w, const int *fds, uint32_t count)
{
    int result = 0;
    for (uint32_t i = 0; i < count; i++)
        if (result == 0)
            result = listen_on(w, fds[i]);
        else
            (void)close(fds[i]);
    return result;
}

static void add_services(worker *w)
{
    w->reflection.descriptors.bytes = (wire_span){vql_descriptors, sizeof vql_descriptors};
    service_add(&w->service, &w->router);
    health_add(&w->health, &w->router);
    reflection_add(&w->reflection, &w->router);
}

int worker_init(worker *w, shard *s, const int *fds, uint32_t fd_count)
{
    int result = uv_loop_init(&w->loop);
    if (result != 0) {
        for (uint32_t i = 0; i < fd_count; i++)
            (void)close(fds[i]);
        return result;
    }
    w->connections.loop = &w->loop;
    add_services(w);
    w->connections.router = &w->router;
    w->connections.wall = &w->service.wall_ms;
    w->connections.now = &w->service.now_ns;
    w->connections.options.spares = &w->spares;
    w->service.spares = &w->spares;
    w->service.meters = &w->meters;
    w->connections.options.meters = &w->meters;
    w->connections.options.call_log = &w->call_log;
    w->post->service = &w->service;
    const bool posted = post_init(w->post);
    (void)init_handles(w);
    result = listen_on_all(w, fds, fd_count);
    if (!connections_init(&w->connections) || !posted)
        result = UV_ENOMEM;
    if (result != 0) {
        worker_clear(w);
        return result;
    }
    shard_set_wake(s, wake_self, w);
    w->post->shard = s;
    if (shard_retains(s))
        (void)uv_timer_start(&w->retention, on_retention, LIMIT_RETAIN_MS, LIMIT_RETAIN_MS);
    return 0;
}

static void run(void *argument)
{
    worker *w = argument;
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

int worker_start(worker *w)
{
    return uv_thread_create(&w->thread, run, w);
}

void worker_command_send(worker *w, worker_command command)
{
    atomic_store_explicit(&w->command, (int)command, memory_order_release);
    (void)uv_async_send(&w->wakeup);
}

void worker_set_outages(worker *w, unsigned outages)
{
    atomic_store_explicit(&w->outages, outages, memory_order_release);
    (void)uv_async_send(&w->wakeup);
}

void worker_join(worker *w)
{
    (void)uv_thread_join(&w->thread);
}

void worker_clear(worker *w)
{
    /* A thread that has ended has closed its handles; one that never ran does so here. */
    obey(w, WORKER_STOP);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&w->loop);
    post_clear(w->post);
    service_clear(&w->service);
    health_clear(&w->health);
    reflection_clear(&w->reflection);
    connections_clear(&w->connections);
    spares_clear(&w->spares);
    meters_clear(&w->meters);
}
