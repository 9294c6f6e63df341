/*
 * Catalogs with items added and changed, against catalogs of model files that have had these items
 * from the start: the same to the bit.
 */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "catalog_family.h"
#include "check_main.h"
#include "failing_allocator.h"
#include "vql/cache.h"
#include "vql/scorer.h"

enum { NO_TABLE = 0, ANY_TABLE = 1 << 30, START_MS = 1000000000 };

START_TEST(test_new_items)
{
    const model_spec spec = spec_of(_i);
    const vql_catalog_options options = {
        .table_bytes = _i % 3 == 2 ? NO_TABLE : ANY_TABLE,
        .format = _i % 2 == 0 ? VQL_SCORING_INT16 : VQL_SCORING_F32,
    };
    family f = family_make(&spec, options);
    for (uint32_t row = f.items; row < spec.items; row++)
        ck_assert_uint_eq(vql_catalog_row(f.base, f.all->item_ids[row]), 0);
    const size_t bytes = vql_catalog_bytes(f.base);
    vql_catalog *first = extend(f.base, f.all, f.items, 2);
    f.next = extend(first, f.all, f.items + 2, NEW - 2);
    vql_catalog_free(first);
    ck_assert_uint_eq(vql_catalog_rows(f.next), spec.items);
    ck_assert_uint_eq(vql_catalog_spare_rows(f.next), 0);
    ck_assert_uint_eq(vql_catalog_rows(f.base), f.items);
    ck_assert_uint_eq(vql_catalog_bytes(f.base), bytes);
    ck_assert_uint_gt(vql_catalog_bytes(f.next), bytes);
    ck_assert_uint_eq(vql_catalog_table_items(f.next), vql_catalog_table_items(f.wanted));
    for (uint32_t row = 0; row < spec.items; row++) {
        check_row(&f, f.next, row, row);
        if (row > 0)
            ck_assert_uint_eq(vql_catalog_row(f.next, f.all->item_ids[row]), row);
        if (row >= f.items)
            ck_assert_uint_eq(vql_catalog_row(f.base, f.all->item_ids[row]), 0);
    }
    family_free(&f);
}
END_TEST

/* A row that changes into another, in parts and as a whole. */
START_TEST(test_changed_items)
{
    const model_spec spec = model_spec_default(4);
    const vql_catalog_options options = {.table_bytes = ANY_TABLE};
    family f = family_make(&spec, options);
    described_item from;
    describe(f.all, f.items + 1, &from);
    from.item.id = f.all->item_ids[5];
    vql_item parts[] = {from.item, from.item};
    parts[0].field_count = 1;
    parts[1].embedding = NULL;
    parts[1].fields = &from.fields[1];
    parts[1].field_count = 1;
    ck_assert_int_eq(vql_catalog_extend(f.base, parts, 2, &f.next, NULL), VQL_OK);
    ck_assert_uint_eq(vql_catalog_row(f.base, from.item.id), 5);
    ck_assert_uint_eq(vql_catalog_row(f.next, from.item.id), f.items + 1);
    check_row(&f, f.next, f.items + 1, f.items + 1);
    check_row(&f, f.next, 5, 5);
    family_free(&f);
}
END_TEST

/* A new item without an embedding has the unknown item's, and no values in fields. */
START_TEST(test_new_item_of_nothing)
{
    model_spec spec = model_spec_default(5);
    model_writer *writer = model_writer_new(&spec);
    float *embedding = model_writer_floats(writer, "item.embedding");
    const uint32_t last = spec.items - NEW;
    memcpy(embedding + last * spec.item_width, embedding, spec.item_width * sizeof *embedding);
    const char *const offsets[] = {"field.field0.offsets", "field.field1.offsets"};
    for (size_t i = 0; i < 2; i++)
        model_writer_i32(writer, offsets[i])[last + 1] = model_writer_i32(writer, offsets[i])[last];
    family f = {.all = model_writer_parse(writer), .items = last};
    model_writer_free(writer);
    f.wanted = create(f.all, &(vql_catalog_options){0});
    f.base = create(f.all, &(vql_catalog_options){.spare_items = 1});
    const vql_item item = {.id = 424242};
    ck_assert_int_eq(vql_catalog_extend(f.base, &item, 1, &f.next, NULL), VQL_OK);
    const uint32_t row = vql_catalog_row(f.next, 424242);
    ck_assert_uint_eq(row, spec.items);
    check_row(&f, f.next, row, last);
    family_free(&f);
}
END_TEST

START_TEST(test_table_keeps_rows_for_new_items)
{
    const model_spec spec = model_spec_default(7);
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    model_writer_free(writer);
    vql_catalog *one = create(model, &(vql_catalog_options){.table_bytes = ANY_TABLE});
    const size_t row_bytes = one->tables->table.row_bytes;
    vql_catalog_free(one);
    const struct {
        size_t rows;
        uint32_t items, spare;
    } cases[] = {{0, 0, 0},   {15, 15, 0}, {16, 15, 1}, {23, 22, 1},
                 {24, 23, 1}, {26, 23, 3}, {99, 23, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const vql_catalog_options options = {
            .table_bytes = cases[i].rows * row_bytes,
            .spare_items = 10,
        };
        vql_catalog *base = create(model, &options);
        vql_catalog *next = NULL;
        vql_item items[10];
        for (uint64_t k = 0; k < 10; k++)
            items[k] = (vql_item){.id = 1000000 + k};
        ck_assert_uint_eq(vql_catalog_table_items(base), cases[i].items);
        ck_assert_int_eq(vql_catalog_extend(base, items, 10, &next, NULL), VQL_OK);
        ck_assert_uint_eq(vql_catalog_table_items(next), cases[i].items + cases[i].spare);
        vql_catalog_free(base);
        vql_catalog_free(next);
    }
    vql_model_free(model);
}
END_TEST

START_TEST(test_refused)
{
    const model_spec spec = model_spec_default(8); /* E = 5; field0 has 9 values, field1 6 */
    family f = family_make(&spec, (vql_catalog_options){.table_bytes = ANY_TABLE});
    const float good[5] = {0};
    const float infinite[5] = {0, 0, INFINITY, 0, 0};
    const float huge[5] = {3e38F, 3e38F, 3e38F, 3e38F, 3e38F};
    const uint32_t values[] = {0, 9};
    const vql_item_field beyond = {"field0", values, 2};
    const vql_item_field unknown = {"field7", values, 1};
    const vql_item_field twice[] = {
        {"field1", values, 1}, {"field0", values, 1}, {"field1", values, 1}};
    const struct {
        vql_item item;
        vql_code code;
        const char *text;
    } cases[] = {
        {{.embedding = good, .embedding_width = 4},
         VQL_SHAPE,
         "items[1].embedding: item 77 has 4 numbers; the model's have 5"},
        {{.embedding = infinite, .embedding_width = 5},
         VQL_VALUE,
         "items[1].embedding[2]: inf of item 77 is not finite"},
        {{.embedding = huge, .embedding_width = 5},
         VQL_VALUE,
         "item 77 (row 18): its product with "},
        {{.fields = &beyond, .field_count = 1},
         VQL_VALUE,
         "items[1].fields: value 9 of item 77 in field0; the model has values 0 to 8"},
        {{.fields = &unknown, .field_count = 1},
         VQL_VALUE,
         "items[1].fields: item 77: the model has no field \"field7\""},
        {{.fields = twice, .field_count = 3},
         VQL_VALUE,
         "items[1].fields: item 77 names field1 twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vql_item items[2] = {{.id = 5}, cases[i].item};
        vql_catalog *next = NULL;
        vql_error error;
        items[1].id = 77;
        ck_assert_int_eq(vql_catalog_extend(f.base, items, 2, &next, &error), cases[i].code);
        ck_assert_msg(strncmp(error.text, cases[i].text, strlen(cases[i].text)) == 0, "%s",
                      error.text);
        ck_assert_ptr_null(next);
    }
    f.next = extend(f.base, f.all, f.items, NEW);
    for (uint32_t row = 0; row < spec.items; row++)
        check_row(&f, f.next, row, row);
    family_free(&f);
}
END_TEST

START_TEST(test_full_and_stale)
{
    const model_spec spec = model_spec_default(9);
    family f = family_make(&spec, (vql_catalog_options){.table_bytes = ANY_TABLE});
    const vql_item items[NEW + 1] = {{.id = 70}, {.id = 71}, {.id = 72}, {.id = 73}};
    vql_catalog *other = NULL;
    vql_error error;
    ck_assert_int_eq(vql_catalog_extend(f.base, items, NEW + 1, &other, &error), VQL_FULL);
    ck_assert_str_eq(error.text,
                     "items: 7 more than the 0 that were added or changed; room for 6 in all");
    ck_assert_int_eq(vql_catalog_extend(f.base, items, 4, &f.next, NULL), VQL_OK);
    ck_assert_uint_eq(vql_catalog_spare_rows(f.next), 2);
    ck_assert_int_eq(vql_catalog_extend(f.base, items, 1, &other, &error), VQL_VALUE);
    ck_assert_str_eq(error.text, "catalog: was extended already");
    ck_assert_int_eq(vql_catalog_extend(f.next, items, 3, &other, &error), VQL_FULL);
    /* What nobody has seen can be taken back. */
    vql_catalog_free(f.next);
    f.next = extend(f.base, f.all, f.items, NEW);
    check_row(&f, f.next, f.items, f.items);
    const vql_catalog_options many = {.spare_items = VQL_MAX_ITEMS};
    ck_assert_int_eq(vql_catalog_create(f.all, &many, &other, &error), VQL_VALUE);
    family_free(&f);
}
END_TEST

START_TEST(test_no_memory)
{
    const model_spec spec = model_spec_default(10);
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    model_writer_free(writer);
    vql_code code = VQL_NO_MEMORY;
    for (size_t i = 0; code != VQL_OK; i++) {
        failing_allocator memory;
        failing_allocator_init(&memory, FAILING_ALLOCATOR_NEVER);
        vql_catalog *base =
            create(model, &(vql_catalog_options){.spare_items = 3, .allocator = &memory.allocator});
        const vql_item items[] = {{.id = 1000}, {.id = 1001}};
        const size_t live = memory.live;
        vql_catalog *next = NULL;
        vql_error error;
        memory.fail_at = memory.calls + i;
        code = vql_catalog_extend(base, items, 2, &next, &error);
        if (code != VQL_OK) {
            ck_assert_int_eq(code, VQL_NO_MEMORY);
            ck_assert_str_eq(error.text, "items: no memory to add 2");
            ck_assert_uint_eq(memory.live, live);
            ck_assert_uint_eq(vql_catalog_row(base, 1000), 0);
        }
        vql_catalog_free(base);
        vql_catalog_free(next);
        ck_assert_uint_eq(memory.live, 0);
    }
    vql_model_free(model);
}
END_TEST

/* ---- memory that is not used ---- */

/* An allocator of whole pages, which says how many bytes of them are in memory. */
enum { MOST_BLOCKS = 256, HEADER_BYTES = 4096 };

typedef struct page_allocator {
    vql_allocator allocator;
    struct {
        uint8_t *start;
        size_t bytes;
    } blocks[MOST_BLOCKS];
    size_t count;
} page_allocator;

static void *allocate_pages(void *context, size_t bytes)
{
    page_allocator *pages = context;
    const size_t whole = (bytes + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
    void *start = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(start, MAP_FAILED);
    ck_assert_uint_lt(pages->count, MOST_BLOCKS);
    (void)madvise(start, whole, MADV_NOHUGEPAGE);
    pages->blocks[pages->count].start = start;
    pages->blocks[pages->count++].bytes = whole;
    return start;
}

static void *reallocate_pages(void *context, void *block, size_t bytes)
{
    (void)context, (void)block, (void)bytes;
    ck_abort_msg("nothing grows");
    return NULL;
}

static void release_pages(void *context, void *block)
{
    page_allocator *pages = context;
    for (size_t i = 0; i < pages->count; i++) {
        if (pages->blocks[i].start == block) {
            (void)munmap(block, pages->blocks[i].bytes);
            pages->blocks[i] = pages->blocks[--pages->count];
            return;
        }
    }
    ck_assert_ptr_null(block);
}

static size_t resident_bytes(const page_allocator *pages)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t resident = 0;
    for (size_t i = 0; i < pages->count; i++) {
        const size_t count = (pages->blocks[i].bytes + page - 1) / page;
        unsigned char *in_memory = malloc(count);
        ck_assert_ptr_nonnull(in_memory);
        ck_assert_int_eq(mincore(pages->blocks[i].start, pages->blocks[i].bytes, in_memory), 0);
        for (size_t k = 0; k < count; k++)
            resident += (in_memory[k] & 1) != 0 ? page : 0;
        free(in_memory);
    }
    return resident;
}

/* Room for a million items takes no more memory than none, and a hundred only theirs. */
START_TEST(test_unused_rows_take_no_memory)
{
    const model_spec spec = model_spec_default(12);
    model_writer *writer = model_writer_new(&spec);
    vql_model *model = model_writer_parse(writer);
    model_writer_free(writer);
    page_allocator pages = {
        .allocator = {allocate_pages, reallocate_pages, release_pages, &pages},
    };
    vql_catalog *base = create(model, &(vql_catalog_options){
                                          .table_bytes = ANY_TABLE,
                                          .spare_items = 1000000,
                                          .allocator = &pages.allocator,
                                      });
    const size_t before = resident_bytes(&pages);
    ck_assert_uint_lt(before, 1 << 20);
    ck_assert_uint_lt(vql_catalog_bytes(base), 8 << 20); /* with 4 bytes an item for its slot */
    vql_item items[100];
    for (uint64_t i = 0; i < 100; i++)
        items[i] = (vql_item){.id = 1000000 + i};
    vql_catalog *next = NULL;
    ck_assert_int_eq(vql_catalog_extend(base, items, 100, &next, NULL), VQL_OK);
    const size_t after = resident_bytes(&pages);
    ck_assert_uint_gt(after, before);
    ck_assert_uint_lt(after, before + (1 << 20));
    vql_catalog_free(base);
    vql_catalog_free(next);
    ck_assert_uint_eq(pages.count, 0);
    vql_model_free(model);
}
END_TEST

/* ---- readers meanwhile ---- */

enum { READERS = 3, UPSERTS = 200 };

typedef struct reading {
    const family *family;
    _Atomic(vql_catalog *) *newest;
    atomic_bool *done;
    vql_cache *cache;
    size_t rounds;
} reading;

/* Scores with the newest catalog there is: an item twice has the same scores both times. */
static void *read_on(void *context)
{
    reading *r = context;
    vql_scorer *scorer = NULL;
    if (vql_scorer_new(r->family->base, NULL, &scorer) != VQL_OK)
        return r;
    bool same = true;
    while (same && !atomic_load(r->done)) {
        const vql_catalog *catalog = atomic_load(r->newest);
        const uint32_t row = vql_catalog_rows(catalog) - 1;
        const uint64_t ids[] = {5000000 + row, 5000001 + row, r->family->all->item_ids[3],
                                5000000 + row};
        float scores[4 * 2];
        vql_scorer_use(scorer, catalog);
        vql_scorer_begin(scorer, r->cache, START_MS);
        same = vql_scorer_run(scorer, ids, 4, scores) <= 3;
        same = same && scores[0] == scores[6] && scores[1] == scores[7];
        const vql_cache_event event = {START_MS + (int64_t)r->rounds, row, 0};
        same = same && vql_cache_append(r->cache, &event, 1) == VQL_OK;
        r->rounds++;
    }
    vql_scorer_free(scorer);
    return same ? NULL : r;
}

START_TEST(test_concurrent_readers)
{
    const model_spec spec = model_spec_default(11); /* T = 2 */
    family f = family_make(&spec, (vql_catalog_options){0});
    vql_catalog_free(f.base);
    f.base =
        create(f.fewer, &(vql_catalog_options){.spare_items = UPSERTS, .table_bytes = 1 << 20});
    vql_catalog *all[UPSERTS + 1] = {f.base};
    _Atomic(vql_catalog *) newest = f.base;
    atomic_bool done = false;
    pthread_t threads[READERS];
    reading readings[READERS];
    for (size_t i = 0; i < READERS; i++) {
        readings[i] = (reading){.family = &f, .newest = &newest, .done = &done};
        ck_assert_int_eq(vql_cache_new(f.base, NULL, &readings[i].cache), VQL_OK);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readings[i]), 0);
    }
    for (uint32_t i = 0; i < UPSERTS; i++) {
        const vql_item item = {.id = 5000000 + f.items + i};
        ck_assert_int_eq(vql_catalog_extend(all[i], &item, 1, &all[i + 1], NULL), VQL_OK);
        atomic_store(&newest, all[i + 1]);
    }
    atomic_store(&done, true);
    for (size_t i = 0; i < READERS; i++) {
        void *failed = NULL;
        (void)pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
        vql_cache_free(readings[i].cache);
    }
    for (size_t i = 1; i <= UPSERTS; i++)
        vql_catalog_free(all[i]);
    family_free(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_extend");
    TCase *tcase = tcase_create("catalog_extend");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_new_items, 0, 12);
    tcase_add_test(tcase, test_changed_items);
    tcase_add_test(tcase, test_new_item_of_nothing);
    tcase_add_test(tcase, test_table_keeps_rows_for_new_items);
    tcase_add_test(tcase, test_refused);
    tcase_add_test(tcase, test_full_and_stale);
    tcase_add_test(tcase, test_no_memory);
    tcase_add_test(tcase, test_unused_rows_take_no_memory);
    tcase_add_test(tcase, test_concurrent_readers);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
