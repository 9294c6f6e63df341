/*
 * vql-train without a command's name: learns a model from a log.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "export.h"
#include "journal.h"
#include "new_file.h"
#include "options.h"
#include "progress.h"
#include "report.h"

enum {
    MAX_NOTES = 64,
    ERROR_IMPRESSIONS = 500, /* of a bucket of lengths, on which attention's error is measured */
    LINES_PER_EPOCH = 20,    /* of losses in the journal */
};

/* A training under way. */
typedef struct session {
    const train_fields *fields;
    dataset *data;
    trainer *trainer;
    journal journal;
    progress bar;
    char note[64];
    const char *tasks[DATASET_MAX_TASKS];
    metrics_report validation; /* of the last epoch */
    bool judged;
    uint64_t saved_ns; /* when the checkpoint was */

    /* Steps since the journal's last line, and since this program began. */
    double loss, commitment_loss;
    uint64_t impressions, line_impressions, line_ns;
    uint64_t first_step, line_steps;
} session;

/* ---- signals ---- */

/* Training ends after the step, and goes on unless it was interrupted. */
static atomic_bool stop;
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
    atomic_store(&stop, true);
}

/* The first SIGINT or SIGTERM ends training in order; a second one ends the program. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- checkpoints ---- */

/* What a checkpoint is made with: the options, and the data. */
typedef struct checkpoint_notes {
    checkpoint_note notes[MAX_NOTES];
    char values[MAX_NOTES][OPTIONS_TEXT_BYTES];
    size_t count;
} checkpoint_notes;

static void make_notes(const session *s, checkpoint_notes *made)
{
    made->count = 0;
    while (made->count + 1 < MAX_NOTES &&
           options_shown(s->fields, made->count, &made->notes[made->count].key,
                         made->values[made->count])) {
        made->notes[made->count].value = made->values[made->count];
        made->count++;
    }
    (void)snprintf(made->values[made->count], OPTIONS_TEXT_BYTES, "%016" PRIx64,
                   dataset_fingerprint(s->data));
    made->notes[made->count] = (checkpoint_note){"data's fingerprint", made->values[made->count]};
    made->count++;
}

/* Saves the trainer's state, or restores it. */
static vql_code transfer(session *s, bool restore, vql_error *error)
{
    const size_t count = trainer_states(s->trainer, NULL, 0);
    trainer_state *states = calloc(count + 1, sizeof *states);
    checkpoint_notes *notes = calloc(1, sizeof *notes);
    vql_code code = VQL_NO_MEMORY;
    if (states != NULL && notes != NULL) {
        (void)trainer_states(s->trainer, states, count);
        make_notes(s, notes);
        code = restore ? checkpoint_read(s->fields->checkpoint, notes->notes, notes->count, states,
                                         count, error)
                       : checkpoint_write(s->fields->checkpoint, notes->notes, notes->count, states,
                                          count, error);
        if (code == VQL_OK && restore)
            code = trainer_restored(s->trainer, error);
    } else {
        (void)vql_fail(error, code, "no memory for a checkpoint");
    }
    free(notes);
    free(states);
    s->saved_ns = command_now_ns();
    return code;
}

/* ---- what the trainer tells ---- */

static void on_step(void *context, const trainer_step *step)
{
    session *s = context;
    const uint64_t now_ns = command_now_ns();
    if (s->line_steps == 0 && s->impressions == 0)
        s->first_step = step->step - 1;
    s->impressions += step->impressions;
    s->line_impressions += step->impressions;
    s->loss += step->loss;
    s->commitment_loss += step->commitment_loss;
    s->line_steps++;
    if (s->line_steps * LINES_PER_EPOCH >= step->epoch_steps ||
        step->epoch_step == step->epoch_steps) {
        const double seconds = (double)(now_ns - s->line_ns) / 1e9;
        journal_steps(&s->journal, step, s->loss / (double)s->line_steps,
                      s->commitment_loss / (double)s->line_steps,
                      (double)s->line_impressions / fmax(seconds, 1e-9));
        s->loss = s->commitment_loss = 0.0;
        s->line_steps = s->line_impressions = 0;
        s->line_ns = now_ns;
    }
    (void)snprintf(s->note, sizeof s->note, "epoch %" PRIu32 ", loss %.4f", step->epoch + 1,
                   step->loss);
    progress_update(&s->bar, now_ns, s->impressions,
                    (double)(step->step - s->first_step) / (double)(step->steps - s->first_step));
    if (s->fields->checkpoint != NULL &&
        now_ns - s->saved_ns >= s->fields->checkpoint_seconds * UINT64_C(1000000000))
        atomic_store(&stop, true);
}

static double on_validate(void *context, const float *logits)
{
    session *s = context;
    const train_impressions *split = &s->data->splits[SPLIT_VALID];
    s->judged = metrics_judge(split->at, split->count, s->data->tasks, NULL, logits,
                              &s->validation) == VQL_OK;
    return s->judged ? metrics_mean_auc(&s->validation) : (double)NAN;
}

static void on_epoch(void *context, const trainer_epoch *epoch)
{
    session *s = context;
    journal_epoch(&s->journal, epoch, s->fields->config.heads, s->judged ? &s->validation : NULL,
                  s->tasks);
    progress_end(&s->bar);
    (void)fprintf(stderr, "epoch %" PRIu32 ": loss %.4f", epoch->epoch + 1, epoch->loss);
    for (uint32_t t = 0; s->judged && t < s->data->tasks; t++)
        (void)fprintf(stderr, ", %s AUC %.4f", s->tasks[t], s->validation.all[t].auc);
    (void)fprintf(stderr, "%s, %.1f s, %.3g GFLOP, %.2g %% of the peak%s\n",
                  epoch->quantized ? ", over codewords" : "", epoch->seconds,
                  epoch->operations / 1e9, 100.0 * epoch->operations / epoch->seconds / epoch->peak,
                  epoch->best ? ", the best so far" : "");
    s->judged = false;
    s->line_ns = command_now_ns();
}

/* ---- the end ---- */

/* Measures attention's error on test impressions of each bucket of lengths; returns of how many. */
static size_t measure_errors(session *s, journal_error *errors)
{
    const train_impressions *split = &s->data->splits[SPLIT_TEST];
    size_t found = 0;
    train_impression *chosen = malloc(ERROR_IMPRESSIONS * sizeof *chosen);
    for (uint32_t b = 1; chosen != NULL && b < METRICS_BUCKETS; b++) {
        const uint32_t end = b + 1 < METRICS_BUCKETS ? METRICS_FIRST[b + 1] : UINT32_MAX;
        size_t count = 0;
        for (size_t i = 0; i < split->count && count < ERROR_IMPRESSIONS; i++)
            if (split->at[i].history >= METRICS_FIRST[b] && split->at[i].history < end)
                chosen[count++] = split->at[i];
        if (count > 0)
            errors[found++] =
                (journal_error){b, count, trainer_measure_error(s->trainer, chosen, count)};
    }
    free(chosen);
    return found;
}

static void print_errors(const journal_error *errors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char length[32];
        metrics_bucket_name(errors[i].bucket, length, sizeof length);
        (void)printf("attention over codewords, histories of %s: off by %.4f of the values' "
                     "diameter, bound %.4f\n",
                     length, errors[i].error.output_error, errors[i].error.bound);
    }
}

/* Judges the best epoch's model on the test split. */
static command_status judge_test(session *s)
{
    const train_impressions *split = &s->data->splits[SPLIT_TEST];
    metrics_report report = {.tasks = s->data->tasks};
    journal_error errors[METRICS_BUCKETS];
    float *logits = calloc(split->count + 1, s->data->tasks * sizeof *logits);
    if (logits == NULL)
        return command_fail("no memory to score %zu impressions", split->count);
    trainer_score(s->trainer, split->at, split->count, 0, logits);
    const vql_code code =
        metrics_judge(split->at, split->count, s->data->tasks, NULL, logits, &report);
    free(logits);
    if (code != VQL_OK)
        return command_fail("no memory to judge %zu impressions", split->count);
    const bool quantized = trainer_model(s->trainer)->quantized;
    const size_t error_count = quantized ? measure_errors(s, errors) : 0;
    journal_end(&s->journal, s->fields->output, &report, s->tasks, errors, error_count);
    metrics_print(&report, s->tasks, stdout);
    print_errors(errors, error_count);
    return COMMAND_DONE;
}

/* Writes what there is to write of a model that is done. */
static command_status finish(session *s)
{
    vql_error error;
    const train_fields *fields = s->fields;
    if (!trainer_restore_best(s->trainer) && s->data->splits[SPLIT_VALID].count > 0)
        return command_fail("no epoch could be judged: the loss is not finite");
    command_status status = judge_test(s);
    if (fields->output != NULL &&
        export_model(trainer_model(s->trainer), fields->name, fields->output, &error) != VQL_OK)
        return command_fail("%s", error.text);
    if (fields->report != NULL) {
        const int failure = report_write(&s->journal, fields->report);
        if (failure != 0)
            status = command_fail("report: %s: %s", fields->report, strerror(failure));
    }
    if (status == COMMAND_DONE && fields->checkpoint != NULL)
        (void)unlink(fields->checkpoint);
    return status;
}

/* ---- the whole ---- */

/* Trains to the end, saving now and then; or until it is interrupted. */
static command_status train(session *s)
{
    vql_error error;
    const trainer_hooks hooks = {
        .context = s, .step = on_step, .validate = on_validate, .epoch = on_epoch, .stop = &stop};
    catch_signals();
    while (trainer_run(s->trainer, &hooks) == TRAINER_STOPPED) {
        atomic_store(&stop, false);
        if (s->fields->checkpoint != NULL && transfer(s, false, &error) != VQL_OK) {
            progress_end(&s->bar);
            return command_fail("%s", error.text);
        }
        if (interrupted) {
            progress_end(&s->bar);
            (void)fprintf(stderr, "vql-train: stopped; %s\n",
                          s->fields->checkpoint != NULL ? "--resume goes on from the checkpoint"
                                                        : "there is no checkpoint");
            return COMMAND_STOPPED;
        }
    }
    progress_end(&s->bar);
    return finish(s);
}

/* Trains on data that was read. */
static command_status run(session *s)
{
    vql_error error;
    const train_fields *fields = s->fields;
    for (uint32_t t = 0; t < s->data->tasks; t++)
        s->tasks[t] = s->data->task_names[t];
    if (trainer_new(&fields->config, s->data, &s->trainer, &error) != VQL_OK)
        return command_fail("%s", error.text);
    command_status status = COMMAND_FAILED;
    s->saved_ns = s->line_ns = command_now_ns();
    if ((fields->resume && transfer(s, true, &error) != VQL_OK) ||
        journal_open(&s->journal, fields->metrics, fields->resume, &error) != VQL_OK) {
        (void)command_fail("%s", error.text);
    } else {
        journal_start(&s->journal, fields, s->data);
        progress_start(&s->bar, stderr, isatty(STDERR_FILENO) == 1, "impressions", s->line_ns);
        s->bar.note = s->note;
        status = train(s);
        if (!journal_close(&s->journal))
            status = command_fail("metrics: %s: could not be written", fields->metrics);
    }
    trainer_free(s->trainer);
    return status;
}

/* Says why a file could not be written there when training is done. NULL is none to write. */
static bool can_write(const char *field, const char *path)
{
    new_file file;
    struct stat place;
    if (path == NULL)
        return true;
    const bool folder = stat(path, &place) == 0 && S_ISDIR(place.st_mode);
    int error = folder ? EISDIR : new_file_open(&file, path);
    if (error == 0)
        error = new_file_close(&file, false);
    if (error != 0)
        (void)command_fail("%s: %s: %s", field, path, strerror(error));
    return error == 0;
}

command_status command_train(int argc, char *const *argv)
{
    static session s;
    train_fields fields = {0};
    command_status status;
    vql_error error;
    if (!options_begin(argc, argv, &fields, &status))
        return status;
    s.fields = &fields;
    if (!can_write("output", fields.output) || !can_write("report", fields.report) ||
        !can_write("checkpoint", fields.checkpoint)) {
        status = COMMAND_FAILED;
    } else if (dataset_read(fields.data, fields.min_count, &s.data, &error) == VQL_OK) {
        status = run(&s);
        dataset_free(s.data);
    } else {
        status = command_fail("%s", error.text);
    }
    s.fields = NULL;
    options_free(&fields);
    return status;
}
