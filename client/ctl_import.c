/*
 * vqlctl import: a log of many users' events into the server.
 *
 *   file ──> rows ──> batches of one user ──hash of the user──> lanes ──> AppendStreams
 *
 * Reading stops while the lane that the next batch belongs to has no room, so that memory is
 * bounded by the lanes' windows whatever the file's size.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_event_ids.h"
#include "ctl_lane.h"
#include "progress.h"

#define MAX_BATCH   100000
#define MAX_STREAMS 64
#define MAX_RETRIES 1000000

/* Rows that are read before the loop looks at its sockets again. */
#define ROWS_PER_TURN 1024

#define PROGRESS_TICK_MS 100

static const ctl_option options[] = {
    {"batch", "VQL_BATCH", "N", "256", "events of one request, all of one user"},
    {"streams", "VQL_STREAMS", "N", "4", "streams, each on a connection of its own"},
    {"retries", "VQL_RETRIES", "N", "100", "pauses in a row that the server may ask for"},
    {"no-ids", "VQL_NO_IDS", NULL, NULL, "give events no ids: importing again appends again"},
};

typedef struct import {
    event_file *file;
    event_types types;
    event_ids *ids; /* NULL: --no-ids */
    uint64_t batch_events;
    uint64_t stream_count;
    uint64_t retries;

    uv_loop_t loop;
    uv_idle_t reading; /* active while rows may be read */
    uv_timer_t ticks;  /* of the progress */
    lane *lanes[MAX_STREAMS];
    uint64_t lanes_open;
    uint64_t lanes_ended;

    event_row row; /* that was read and is in no batch yet */
    bool has_row;
    tsv_result last; /* TSV_ROW until the file is at its end or cannot be read on */
    batch *batch;    /* being filled */
    uint64_t rows;
    uint64_t appended;
    uint64_t duplicates;
    progress progress;
    ctl_exit exit;
} import;

/* Stops reading and closes the lanes, so that the loop ends. */
static void stop(import *m)
{
    for (uint64_t i = 0; i < m->lanes_open; i++)
        lane_close(m->lanes[i]);
    m->lanes_open = 0;
    if (!uv_is_closing((uv_handle_t *)&m->reading)) {
        uv_close((uv_handle_t *)&m->reading, NULL);
        uv_close((uv_handle_t *)&m->ticks, NULL);
    }
}

/* Hands the batch that is being filled to its user's lane. False when that has no room yet. */
static bool flush(import *m)
{
    if (m->batch == NULL)
        return true;
    lane *l = m->lanes[mix64(m->batch->request.user_id) % m->stream_count];
    if (!lane_has_room(l))
        return false;
    batch *filled = m->batch;
    m->batch = NULL;
    lane_put(l, filled);
    return true;
}

/* Puts the row that was read into the batch. False when there is no memory. */
static bool add_row(import *m)
{
    const event_row *row = &m->row;
    uint64_t id = 0;
    if (m->ids != NULL &&
        !event_ids_next(m->ids, row->user_id, row->item_id, row->type, row->time_ms, &id))
        return false;
    if (m->batch == NULL) {
        m->batch = batch_new(row->user_id, m->batch_events);
        if (m->batch == NULL)
            return false;
    }
    batch_add(m->batch, row, id, tsv_line(event_file_tsv(m->file)));
    m->has_row = false;
    m->rows++;
    return true;
}

/* What was read has been put into the lanes: each ends when all of its own is answered. */
static void finish_lanes(import *m)
{
    (void)uv_idle_stop(&m->reading);
    for (uint64_t i = 0; i < m->lanes_open; i++)
        lane_finish(m->lanes[i]);
}

/* Whether the row that was read belongs into another batch than the one being filled. */
static bool batch_is_done(const import *m)
{
    return m->batch != NULL &&
           (!m->has_row || m->batch->request.user_id != m->row.user_id || batch_full(m->batch));
}

/* Reads rows for one turn of the loop, or until a lane has no room for them. */
static void on_reading(uv_idle_t *idle)
{
    import *m = idle->data;
    for (unsigned i = 0; i < ROWS_PER_TURN; i++) {
        if (!m->has_row && m->last == TSV_ROW) {
            m->last = event_file_read(m->file, &m->row);
            m->has_row = m->last == TSV_ROW;
        }
        if (batch_is_done(m) && !flush(m)) {
            (void)uv_idle_stop(idle);
            return;
        }
        if (!m->has_row) {
            finish_lanes(m);
            return;
        }
        if (!add_row(m)) {
            m->exit = ctl_no_memory();
            stop(m);
            return;
        }
    }
}

static void on_answer(void *context, const batch *b, const Vql__V1__AppendResponse *answer)
{
    (void)b;
    import *m = context;
    m->appended += answer->appended;
    m->duplicates += answer->duplicates;
    if (m->has_row || m->last == TSV_ROW || m->batch != NULL)
        (void)uv_idle_start(&m->reading, on_reading);
}

static void on_lane_end(void *context, const vqlc_result *result, const batch *failed)
{
    import *m = context;
    if (result->status != VQLC_OK) {
        progress_end(&m->progress);
        m->exit = ctl_report(result);
        if (failed != NULL) {
            ctl_complain("the first events not known to be appended are of user %" PRIu64
                         ", lines %" PRIu64 " to %" PRIu64 "%s",
                         failed->request.user_id, failed->first_line, failed->last_line,
                         m->ids != NULL ? "; the same import may be run again" : "");
        }
        stop(m);
        return;
    }
    m->lanes_ended++;
    if (m->lanes_ended == m->stream_count)
        stop(m);
}

static const lane_handler lane_callbacks = {.on_answer = on_answer, .on_end = on_lane_end};

static void on_tick(uv_timer_t *timer)
{
    import *m = timer->data;
    progress_update(&m->progress, uv_hrtime(), m->appended + m->duplicates,
                    tsv_fraction(event_file_tsv(m->file)));
}

/* Opens the lanes and begins to read. */
static ctl_exit start(import *m, const ctl_channel *how)
{
    (void)uv_idle_init(&m->loop, &m->reading);
    m->reading.data = m;
    (void)uv_timer_init(&m->loop, &m->ticks);
    m->ticks.data = m;
    while (m->lanes_open < m->stream_count) {
        const int error = lane_open(&m->lanes[m->lanes_open], &m->loop, how->server, &how->options,
                                    (unsigned)m->retries, &lane_callbacks, m);
        if (error != 0) {
            ctl_channel_complain(how, error);
            stop(m);
            return CTL_USAGE;
        }
        m->lanes_open++;
    }
    (void)uv_idle_start(&m->reading, on_reading);
    (void)uv_timer_start(&m->ticks, on_tick, PROGRESS_TICK_MS, PROGRESS_TICK_MS);
    return CTL_OK;
}

/* Sends the whole file. */
static ctl_exit transfer(import *m, const ctl_channel *how)
{
    if (uv_loop_init(&m->loop) != 0)
        return ctl_no_memory();
    const uint64_t start_ns = uv_hrtime();
    progress_start(&m->progress, stderr, isatty(STDERR_FILENO) == 1, "events", start_ns);
    m->exit = start(m, how);
    (void)uv_run(&m->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&m->loop);
    progress_end(&m->progress);
    if (m->last == TSV_FAILED) {
        ctl_complain("%s", tsv_error(event_file_tsv(m->file)));
        m->exit = CTL_USAGE;
    }
    const double seconds = (double)(uv_hrtime() - start_ns) / 1e9;
    (void)printf("%" PRIu64 " events read, %" PRIu64 " appended, %" PRIu64
                 " duplicates, %.2f seconds, %.0f events/s\n",
                 m->rows, m->appended, m->duplicates, seconds,
                 (double)(m->appended + m->duplicates) / seconds);
    return m->exit;
}

/* Asks the server which event types there are: also whether it is there. */
static ctl_exit ask_event_types(import *m, const ctl_arguments *arguments)
{
    ctl_client client;
    ctl_exit code = ctl_client_open(&client, arguments);
    if (code == CTL_OK) {
        code = ctl_client_event_types(&client, &m->types);
        ctl_client_close(&client);
    }
    return code;
}

static ctl_exit read_options(import *m, const ctl_arguments *arguments)
{
    if (!ctl_number(arguments, "batch", 1, MAX_BATCH, &m->batch_events) ||
        !ctl_number(arguments, "streams", 1, MAX_STREAMS, &m->stream_count) ||
        !ctl_number(arguments, "retries", 0, MAX_RETRIES, &m->retries))
        return CTL_USAGE;
    return ask_event_types(m, arguments);
}

static ctl_exit run(const ctl_arguments *arguments)
{
import m = {.last = TSV_ROW };
    ctl_channel how;
    ctl_exit code = ctl_channel_init(&how, arguments);
    if (code != CTL_OK)
        return code;
    code = read_options(&m, arguments);
    if (code != CTL_OK) {
        ctl_channel_clear(&how);
        return code;
    }
    const bool with_ids = !ctl_switch(arguments, "no-ids");
    m.ids = with_ids ? event_ids_new() : NULL;
    m.file = event_file_open(arguments->operands[0], EVENT_FILE_OF_USERS, &m.types);
    if (m.file == NULL || (with_ids && m.ids == NULL))
        code = ctl_no_memory();
    else
        code = transfer(&m, &how);
    if (m.batch != NULL)
        batch_free(m.batch);
    if (m.file != NULL)
        event_file_close(m.file);
    if (m.ids != NULL)
        event_ids_free(m.ids);
    event_types_free(&m.types);
    ctl_channel_clear(&how);
    return code;
}

const ctl_command ctl_import_command = {
    .name = "import",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .help = "Appends the events of a file with the columns user_id, item_id, event_type and\n"
            "timestamp_ms, plain or gzipped, '-' being standard input. An import that was\n"
            "interrupted may be run again: events get ids, and are not applied twice.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
