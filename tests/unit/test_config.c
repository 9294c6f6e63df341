/* The configuration: what each source may say, which wins, and what an error names. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/check_main.h"

enum { MAX_WORDS = 16, TEXT_BYTES = 16384 };

static config loaded;
static config_error error;

/* Strings ended by NULL, as argv and environ are. */
typedef struct words {
    char text[TEXT_BYTES];
    char *items[MAX_WORDS + 1];
    int count;
} words;

/* Takes a text apart at its blanks. */
static void split(const char *text, words *out)
{
    *out = (words){.count = 0};
    ck_assert_uint_lt(strlen(text), sizeof out->text);
    memcpy(out->text, text, strlen(text));
    for (char *word = out->text; *word != '\0'; out->count++) {
        ck_assert_int_lt(out->count, MAX_WORDS);
        out->items[out->count] = word;
        word += strcspn(word, " ");
        if (*word == ' ')
            *word++ = '\0';
    }
}

/* Loads from an environment and a command line, both split at blanks. */
static config_outcome load(const char *environment, const char *arguments)
{
    static words variables, command;
    char line[TEXT_BYTES + sizeof "vqld "];
    (void)snprintf(line, sizeof line, "vqld %s", arguments);
    split(environment, &variables);
    split(line, &command);
    return config_load(&loaded, command.count, command.items, variables.items, &error);
}

static void assert_loaded(const char *environment, const char *arguments)
{
    const config_outcome outcome = load(environment, arguments);
    ck_assert_msg(outcome == CONFIG_LOADED, "%s", error.text);
}

static void assert_fails(const char *environment, const char *arguments, const char *text)
{
    ck_assert_int_eq(load(environment, arguments), CONFIG_FAILED);
    ck_assert_str_eq(error.text, text);
    ck_assert_ptr_null(loaded.model);
    ck_assert_ptr_null(loaded.listen);
}

/* The configuration file of a test, in the working folder. */
static char file_path[] = "test_config_XXXXXX";

static void write_file(const char *content)
{
    const int descriptor = mkstemp(file_path);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, content, strlen(content)), (ssize_t)strlen(content));
    ck_assert_int_eq(close(descriptor), 0);
}

static void remove_file(void)
{
    (void)unlink(file_path);
}

/* Loads with --config of a file with this content. */
static config_outcome load_file(const char *content, const char *environment, const char *arguments)
{
    char line[TEXT_BYTES];
    write_file(content);
    (void)snprintf(line, sizeof line, "--config %s %s", file_path, arguments);
    return load(environment, line);
}

/* The error is `file:` and then text. */
static void assert_file_fails(const char *content, const char *text)
{
    char expected[sizeof error.text];
    ck_assert_int_eq(load_file(content, "", ""), CONFIG_FAILED);
    (void)snprintf(expected, sizeof expected, "%s:%s", file_path, text);
    ck_assert_str_eq(error.text, expected);
}

START_TEST(defaults)
{
    assert_loaded("", "--model m");
    ck_assert_str_eq(loaded.model, "m");
    ck_assert_str_eq(loaded.listen, "127.0.0.1:7070");
    ck_assert_ptr_null(loaded.config_file);
    ck_assert_ptr_null(loaded.port_file);
    ck_assert(!loaded.check);
    ck_assert_str_eq(loaded.store, "memory");
    ck_assert_uint_eq(loaded.durability, CONFIG_DURABILITY_MEMORY);
    ck_assert_uint_eq(loaded.log_level, LOG_LEVEL_INFO);
    ck_assert_uint_eq(loaded.threads, 0);
    ck_assert_uint_eq(loaded.max_connections, 1024);
    ck_assert_uint_eq(loaded.max_streams, 256);
    ck_assert_uint_eq(loaded.max_candidates, 10000);
    ck_assert_uint_eq(loaded.max_events, 10000);
    ck_assert_uint_eq(loaded.max_message_bytes, 4 << 20);
    ck_assert_uint_eq(loaded.max_future_ms, 86400000);
    ck_assert_uint_eq(loaded.table_bytes, 1 << 30);
    ck_assert_uint_eq(loaded.drain_ms, 10000);
    ck_assert_uint_eq(loaded.compress_above, 0);
    ck_assert_uint_eq(loaded.max_connection_age_ms, 0);
    ck_assert_uint_eq(loaded.max_connection_age_grace_ms, 0);
    ck_assert_uint_eq(loaded.keepalive_ms, 0);
    ck_assert_uint_eq(loaded.keepalive_timeout_ms, 20000);
    config_free(&loaded);
    ck_assert_ptr_null(loaded.model);
}
END_TEST

START_TEST(command_line)
{
    assert_loaded("",
                  "--model=a=b --check --threads 256 --log-level=debug --max-message-bytes 1KiB");
    ck_assert_str_eq(loaded.model, "a=b");
    ck_assert(loaded.check);
    ck_assert_uint_eq(loaded.threads, 256);
    ck_assert_uint_eq(loaded.log_level, LOG_LEVEL_DEBUG);
    ck_assert_uint_eq(loaded.max_message_bytes, 1024);
    config_free(&loaded);

    assert_loaded("",
                  "--model m --check=false --threads 3 --table-bytes 0 --threads 4 --listen h:1");
    ck_assert(!loaded.check);
    ck_assert_str_eq(loaded.listen, "h:1");
    ck_assert_uint_eq(loaded.threads, 4);
    ck_assert_uint_eq(loaded.table_bytes, 0);
    config_free(&loaded);
}
END_TEST

START_TEST(environment)
{
    assert_loaded(
        "VQL_MODEL=m VQL_MAX_MESSAGE_BYTES=64MiB VQL_CHECK=true VQL_SERVICE_HOST=10.0.0.1 "
        "VQL_THREADS= HOME=/",
        "");
    ck_assert_str_eq(loaded.model, "m");
    ck_assert_uint_eq(loaded.max_message_bytes, 64 << 20);
    ck_assert(loaded.check);
    ck_assert_uint_eq(loaded.threads, 0);
    config_free(&loaded);
}
END_TEST

START_TEST(file)
{
    ck_assert_int_eq(load_file("; a comment\n"
                               "# another\n"
                               "\n"
                               "model = dir with blanks/m.safetensors\n"
                               "  max-events=7 ; of one request\r\n"
                               "check = true\n"
                               "table-bytes = 2GiB",
                               "", ""),
                     CONFIG_LOADED);
    ck_assert_str_eq(loaded.model, "dir with blanks/m.safetensors");
    ck_assert_str_eq(loaded.config_file, file_path);
    ck_assert_uint_eq(loaded.max_events, 7);
    ck_assert(loaded.check);
    ck_assert_uint_eq(loaded.table_bytes, UINT64_C(2) << 30);
    config_free(&loaded);
}
END_TEST

START_TEST(later_source_wins)
{
    const char *content = "model = file\nthreads = 1\nmax-events = 1\nmax-streams = 1\n";
    ck_assert_int_eq(load_file(content, "VQL_THREADS=2 VQL_MAX_EVENTS=2", "--max-events 3"),
                     CONFIG_LOADED);
    ck_assert_str_eq(loaded.model, "file");
    ck_assert_uint_eq(loaded.max_streams, 1);
    ck_assert_uint_eq(loaded.threads, 2);
    ck_assert_uint_eq(loaded.max_events, 3);
    config_free(&loaded);
}
END_TEST

START_TEST(file_named_by_variable)
{
    char variable[TEXT_BYTES];
    write_file("model = from file\n");
    (void)snprintf(variable, sizeof variable, "VQL_CONFIG=%s", file_path);
    assert_loaded(variable, "");
    ck_assert_str_eq(loaded.model, "from file");
    config_free(&loaded);
}
END_TEST

START_TEST(several_addresses)
{
    assert_loaded("VQL_MODEL=m VQL_LISTEN=h:1,h:2", "--unix-mode 0620");
    ck_assert_str_eq(loaded.listen, "h:1,h:2");
    ck_assert_uint_eq(loaded.unix_mode, 0620);
    config_free(&loaded);
    assert_loaded("VQL_MODEL=m VQL_LISTEN=h:1", "--listen h:2 --listen unix:/s --listen=[::1]:3");
    ck_assert_str_eq(loaded.listen, "h:2,unix:/s,[::1]:3");
    config_free(&loaded);
    assert_fails("VQL_MODEL=m", "--listen h:2 --listen unix:s",
                 "--listen is \"h:2,unix:s\", but takes 1 to 8 of HOST:PORT (port 0 to 65535) and "
                 "unix:/PATH, joined by commas");
}
END_TEST

START_TEST(help_and_version_come_first)
{
    ck_assert_int_eq(load("", "--threads 999 --help"), CONFIG_HELP);
    ck_assert_int_eq(load("VQL_THREADS=x", "--version"), CONFIG_VERSION);
    config_free(&loaded);
}
END_TEST

static const struct {
    const char *environment, *arguments, *error;
} refused[] = {
    {"", "", "model: required: --model FILE|DIR, VQL_MODEL, or a line of the file of --config"},
    {"", "m.safetensors", "m.safetensors: not an option; --help lists them"},
    {"", "-v", "-v: not an option; --help lists them"},
    {"", "--", "--: no such option; --help lists them"},
    {"", "--thread 4", "--thread: no such option; --help lists them"},
    {"", "--threadss=4", "--threadss=4: no such option; --help lists them"},
    {"", "--model m --threads", "--threads: a value is missing"},
    {"", "--model=", "--model is \"\", but takes a path of 1 to 4095 bytes"},
    {"", "--threads 257", "--threads is \"257\", but takes a number from 0 to 256"},
    {"", "--threads -1", "--threads is \"-1\", but takes a number from 0 to 256"},
    {"", "--threads +1", "--threads is \"+1\", but takes a number from 0 to 256"},
    {"", "--threads 1x", "--threads is \"1x\", but takes a number from 0 to 256"},
    {"", "--threads 1KiB", "--threads is \"1KiB\", but takes a number from 0 to 256"},
    {"", "--threads 0x1", "--threads is \"0x1\", but takes a number from 0 to 256"},
    {"VQL_MAX_EVENTS=0", "", "VQL_MAX_EVENTS is \"0\", but takes a number from 1 to 100000"},
    {"VQL_THREADS=99999999999999999999", "",
     "VQL_THREADS is \"99999999999999999999\", but takes a number from 0 to 256"},
    {"VQL_THREADS=4294967296", "",
     "VQL_THREADS is \"4294967296\", but takes a number from 0 to 256"},
    {"", "--max-message-bytes 1023",
     "--max-message-bytes is \"1023\", but takes bytes (or KiB, MiB, GiB) from 1KiB to 64MiB"},
    {"", "--max-message-bytes 65MiB",
     "--max-message-bytes is \"65MiB\", but takes bytes (or KiB, MiB, GiB) from 1KiB to 64MiB"},
    {"", "--table-bytes 17179869184GiB",
     "--table-bytes is \"17179869184GiB\", but takes bytes (or KiB, MiB, GiB) from 0 to 1024GiB"},
    {"", "--table-bytes 1MB",
     "--table-bytes is \"1MB\", but takes bytes (or KiB, MiB, GiB) from 0 to 1024GiB"},
    {"", "--drain-ms 3600001",
     "--drain-ms is \"3600001\", but takes milliseconds from 0 to 3600000"},
    {"", "--store mysql://h:1",
     "--store is \"mysql://h:1\", but takes memory, rocksdb:DIR, "
     "redis:ADDRESSES, rediss:ADDRESSES"},
    {"", "--model m --store redis://:secret@h",
     "store: redis: 1 to 16 nodes HOST:PORT, joined by commas, must follow"},
    {"", "--model m --store rediss://:secret@h:1",
     "store: redis: TLS is not there: the library, hiredis 0.14, has none; use redis:// through a "
     "TLS proxy, or on a network that is trusted"},
    {"", "--model m --store redis://h:1 --durability memory",
     "durability is \"memory\", but store redis has only \"async\" and \"sync\""},
    {"", "--model m --store redis://h:1 --backup b",
     "backup: needs a store on disk; Redis's own tools copy it"},
    {"", "--store rocksdb:",
     "--store is \"rocksdb:\", but takes memory, rocksdb:DIR, "
     "redis:ADDRESSES, rediss:ADDRESSES"},
    {"", "--durability disk", "--durability is \"disk\", but takes auto, memory, async, sync"},
    {"", "--model m --durability sync",
     "durability is \"sync\", but store memory has only \"memory\""},
    {"", "--log-level INFO", "--log-level is \"INFO\", but takes error, warn, info, debug"},
    {"VQL_LISTEN=7070", "",
     "VQL_LISTEN is \"7070\", but takes 1 to 8 of HOST:PORT (port 0 to 65535) and unix:/PATH, "
     "joined "
     "by commas"},
    {"VQL_CHECK=1", "", "VQL_CHECK is \"1\", but takes true or false"},
    {"", "--config no/such/file", "config: cannot open no/such/file: No such file or directory"},
    {"", "--unix-mode 0778", "--unix-mode is \"0778\", but takes a mode from 00 to 0777"},
    {"", "--unix-mode 01000", "--unix-mode is \"01000\", but takes a mode from 00 to 0777"},
    {"", "--model m --tls-cert c", "tls-key: is needed with tls-cert"},
    {"", "--model m --tls-key k", "tls-cert: is needed with tls-key"},
    {"", "--model m --tls-client-ca c", "tls-cert: is needed with tls-client-ca"},
    {"", "--config .", "config: cannot read ."},
};

START_TEST(error_names_source_value_and_range)
{
    assert_fails(refused[_i].environment, refused[_i].arguments, refused[_i].error);
}
END_TEST

static const struct {
    const char *content, *error;
} refused_files[] = {
    {"model = m\n\nthread = 4\n", "3: thread: no such option in a file; --help lists them"},
    {"config = other\n", "1: config: no such option in a file; --help lists them"},
    {"threads = 4\nthreads = 300\nthreads = x\n",
     "2: threads is \"300\", but takes a number from 0 to 256"},
    {"[server]\nthreads = 4\n", "2: threads: stands in section [server]; there are no sections"},
    {"model = m\njust words\n", "2: not a line \"name = value\""},
    {"model = m\n  threads 4\n", "2: not a line \"name = value\""},
    {"model =\n", "1: model is \"\", but takes a path of 1 to 4095 bytes"},
};

START_TEST(error_names_file_and_line)
{
    assert_file_fails(refused_files[_i].content, refused_files[_i].error);
}
END_TEST

START_TEST(long_line_is_refused)
{
    char content[1024];
    (void)snprintf(content, sizeof content, "threads = 4\nmodel = %0500d\n", 1);
    assert_file_fails(content, "2: the line is too long");
}
END_TEST

START_TEST(long_value_is_cut_in_the_error)
{
    char arguments[5000];
    (void)snprintf(arguments, sizeof arguments, "--model %04096d", 1);
    ck_assert_int_eq(load("", arguments), CONFIG_FAILED);
    ck_assert_ptr_nonnull(strstr(error.text, "00\", but takes a path of 1 to 4095 bytes"));
}
END_TEST

START_TEST(help_lists_every_option)
{
    static const char *const expected[] = {
        "--model                VQL_MODEL\n",
        "--max-message-bytes    VQL_MAX_MESSAGE_BYTES\n",
        "Takes bytes (or KiB, MiB, GiB) from 1KiB to 64MiB; default 4MiB.\n",
        "Takes error, warn, info, debug; default info.\n",
        "--version\n",
    };
    char text[TEXT_BYTES] = {0};
    FILE *out = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(out);
    config_print_help(out);
    ck_assert_int_eq(fclose(out), 0);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        ck_assert_msg(strstr(text, expected[i]) != NULL, "%s is not in:\n%s", expected[i], text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *sources = tcase_create("sources");
    tcase_add_checked_fixture(sources, NULL, remove_file);
    tcase_add_test(sources, defaults);
    tcase_add_test(sources, command_line);
    tcase_add_test(sources, environment);
    tcase_add_test(sources, file);
    tcase_add_test(sources, later_source_wins);
    tcase_add_test(sources, file_named_by_variable);
    tcase_add_test(sources, several_addresses);
    tcase_add_test(sources, help_and_version_come_first);
    tcase_add_test(sources, help_lists_every_option);
    suite_add_tcase(suite, sources);
    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(errors, NULL, remove_file);
    tcase_add_loop_test(errors, error_names_source_value_and_range, 0,
                        sizeof refused / sizeof refused[0]);
    tcase_add_loop_test(errors, error_names_file_and_line, 0,
                        sizeof refused_files / sizeof refused_files[0]);
    tcase_add_test(errors, long_line_is_refused);
    tcase_add_test(errors, long_value_is_cut_in_the_error);
    suite_add_tcase(suite, errors);
    return check_main(suite);
}
