#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_item_file.h"

#define MAX_BATCH 100000

static const ctl_option options[] = {
    {"batch", "VQL_BATCH", "N", "1000", "items of one request"},
    {"model", NULL, "NAME", "", "the version that is to have them; all, if it is not said"},
};

/* One command: a file, read and sent request by request. */
typedef struct upserting {
    ctl_client client;
    item_file *file;
    char *model;
    size_t batch_items;
    bool json;
    Vql__V1__Item **items; /* [batch_items] */
    size_t count;          /* that were sent and are not answered */
    uint64_t first_line;
    uint64_t upserted;
    uint32_t room;
} upserting;

static void send_next(upserting *u);

static void free_items(upserting *u)
{
    while (u->count > 0)
        vql__v1__item__free_unpacked(u->items[--u->count], NULL);
}

static void on_upserted(const vqlc_result *result, const Vql__V1__UpsertItemsResponse *answer,
                        void *arg)
{
    upserting *u = arg;
    const size_t count = u->count;
    free_items(u);
    if (!ctl_client_answered(&u->client, result)) {
        ctl_complain("lines %" PRIu64 " to %" PRIu64 " were not applied", u->first_line,
                     tsv_line(item_file_tsv(u->file)));
        return;
    }
    u->upserted += count;
    u->room = answer->room;
    send_next(u);
}

/* Reads items until the request is full or the file is at its end. */
static tsv_result fill(upserting *u)
{
    tsv_result result = TSV_ROW;
    while (u->count < u->batch_items && result == TSV_ROW) {
        result = item_file_read(u->file, &u->items[u->count]);
        if (result == TSV_ROW && u->count++ == 0)
            u->first_line = tsv_line(item_file_tsv(u->file));
    }
    return result;
}

/* Sends the next items; at the file's end nothing follows. */
static void send_next(upserting *u)
{
    if (fill(u) == TSV_FAILED) {
        ctl_complain("%s", tsv_error(item_file_tsv(u->file)));
        u->client.exit = CTL_USAGE;
        free_items(u);
    }
    if (u->count == 0)
        return;
    Vql__V1__UpsertItemsRequest request = VQL__V1__UPSERT_ITEMS_REQUEST__INIT;
    request.model = u->model;
    request.n_items = u->count;
    request.items = u->items;
    ctl_client_expect(&u->client, vqlc_upsert_items(u->client.channel, &request, &u->client.options,
                                                    on_upserted, u));
}

static void print_summary(const upserting *u)
{
    (void)printf(u->json ? "{\"upserted\": %" PRIu64 ", \"room\": %" PRIu32 "}\n"
                         : "%" PRIu64 " items upserted, room for %" PRIu32 " more\n",
                 u->upserted, u->room);
}

/* Sends the whole file and waits for the answers. */
static ctl_exit send_file(upserting *u, const char *path)
{
    u->items = calloc(u->batch_items, sizeof *u->items);
    u->file = u->items != NULL ? item_file_open(path) : NULL;
    ctl_exit code;
    if (u->file != NULL) {
        send_next(u);
        code = ctl_client_wait(&u->client);
        if (u->upserted > 0)
            print_summary(u);
        free_items(u);
        item_file_close(u->file);
    } else {
        code = ctl_no_memory();
    }
    free(u->items);
    return code;
}

static ctl_exit run(const ctl_arguments *arguments)
{
    upserting u = {.model = (char *)(uintptr_t)ctl_text(arguments, "model")};
    uint64_t batch_items;
    if (strcmp(arguments->operands[0], "upsert") != 0) {
        ctl_complain("items %s: no such thing; there is: items upsert FILE",
                     arguments->operands[0]);
        return CTL_USAGE;
    }
    if (!ctl_number(arguments, "batch", 1, MAX_BATCH, &batch_items) ||
        !ctl_format(arguments, &u.json))
        return CTL_USAGE;
    u.batch_items = batch_items;
    ctl_exit code = ctl_client_open(&u.client, arguments);
    if (code == CTL_OK) {
        code = send_file(&u, arguments->operands[1]);
        ctl_client_close(&u.client);
    }
    return code;
}

const ctl_command ctl_items_command = {
    .name = "items",
    .operands = "upsert FILE",
    .min_operands = 2,
    .max_operands = 2,
    .help = "Adds the items of a file, or changes their features: tab-separated, the first line\n"
            "names the columns: item_id; embedding, numbers with commas between them; and fields\n"
            "of the model, with indices of their values. What is empty stays as it is, and '-' is\n"
            "a field without values.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
