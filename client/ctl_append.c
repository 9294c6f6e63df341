#include <inttypes.h>
#include <stdio.h>

#include "ctl_batch.h"
#include "ctl_client.h"
#include "ctl_commands.h"

#define MAX_BATCH 100000

static const ctl_option options[] = {
    {"batch", "VQL_BATCH", "N", "256", "events of one request"},
};

/* One command: a file, read and sent request by request. */
typedef struct appending {
    ctl_client client;
    event_types types;
    event_file *file;
    uint64_t user_id;
    size_t batch_events;
    bool json;
    batch *batch; /* that was sent and is not answered */
    uint64_t sequence;
    uint64_t appended;
    uint64_t duplicates;
} appending;

static void send_next(appending *a);

static void on_append(const vqlc_result *result, const Vql__V1__AppendResponse *answer, void *arg)
{
    appending *a = arg;
    if (!ctl_client_answered(&a->client, result)) {
        ctl_complain("lines %" PRIu64 " to %" PRIu64 " were not appended", a->batch->first_line,
                     a->batch->last_line);
    }
    batch_free(a->batch);
    a->batch = NULL;
    if (answer != NULL) {
        a->sequence = answer->sequence;
        a->appended += answer->appended;
        a->duplicates += answer->duplicates;
        send_next(a);
    }
}

/* Reads events until the batch is full or the file is at its end. */
static tsv_result fill(appending *a)
{
    tsv_result result = TSV_ROW;
    while (!batch_full(a->batch) && result == TSV_ROW) {
        event_row row;
        result = event_file_read(a->file, &row);
        if (result == TSV_ROW)
            batch_add(a->batch, &row, 0, tsv_line(event_file_tsv(a->file)));
    }
    return result;
}

/* Sends the next events; at the file's end nothing follows. */
static void send_next(appending *a)
{
    a->batch = batch_new(a->user_id, a->batch_events);
    if (a->batch == NULL) {
        a->client.exit = ctl_no_memory();
        return;
    }
    const tsv_result result = fill(a);
    if (result == TSV_FAILED) {
        ctl_complain("%s", tsv_error(event_file_tsv(a->file)));
        a->client.exit = CTL_USAGE;
    }
    if (result == TSV_FAILED || a->batch->request.n_events == 0) {
        batch_free(a->batch);
        a->batch = NULL;
        return;
    }
    ctl_client_expect(&a->client, vqlc_append(a->client.channel, &a->batch->request,
                                              &a->client.options, on_append, a));
}

static void print_summary(const appending *a)
{
    (void)printf(a->json ? "{\"user\": %" PRIu64 ", \"appended\": %" PRIu64
                           ", \"duplicates\": %" PRIu64 ", \"sequence\": %" PRIu64 "}\n"
                         : "user %" PRIu64 ": %" PRIu64 " events appended, %" PRIu64
                           " duplicates, sequence %" PRIu64 "\n",
                 a->user_id, a->appended, a->duplicates, a->sequence);
}

/* Sends the whole file and waits for the answers. */
static ctl_exit send_file(appending *a, const char *path)
{
    ctl_exit code = ctl_client_event_types(&a->client, &a->types);
    if (code != CTL_OK)
        return code;
    a->file = event_file_open(path, EVENT_FILE_OF_ONE_USER, &a->types);
    if (a->file == NULL) {
        code = ctl_no_memory();
    } else {
        send_next(a);
        code = ctl_client_wait(&a->client);
        print_summary(a);
        event_file_close(a->file);
    }
    event_types_free(&a->types);
    return code;
}

static ctl_exit run(const ctl_arguments *arguments)
{
    appending a = {.batch = NULL};
    uint64_t batch_events;
    if (!ctl_operand_number(arguments, 0, "USER", &a.user_id) ||
        !ctl_number(arguments, "batch", 1, MAX_BATCH, &batch_events) ||
        !ctl_format(arguments, &a.json))
        return CTL_USAGE;
    a.batch_events = batch_events;
    ctl_exit code = ctl_client_open(&a.client, arguments);
    if (code == CTL_OK) {
        code = send_file(&a, arguments->operands[1]);
        ctl_client_close(&a.client);
    }
    return code;
}

const ctl_command ctl_append_command = {
    .name = "append",
    .operands = "USER FILE",
    .min_operands = 2,
    .max_operands = 2,
    .help = "Appends the events of a file (item_id, event_type, timestamp_ms; '-' is standard\n"
            "input) to a user's history.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
