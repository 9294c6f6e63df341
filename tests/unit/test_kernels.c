/*
 * Every level of kernels that this machine supports against the scalar one: odd counts, tails and
 * pointers of any alignment; and that nothing beyond an output is written.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "kernels.h"
#include "random.h"

/* Of a sum, relative to the sum of its terms' sizes: the order of additions differs. */
static const double SUM_TOLERANCE = 1e-6;
/* Of e^x, relative. */
static const double EXPONENTIAL_TOLERANCE = 5e-7;

enum {
    MOST = 300,  /* numbers a row */
    SHIFTS = 4,  /* numbers by which pointers are moved off their alignment */
    STRIDE = 37, /* between rows of sums */
    GUARD = 16,  /* numbers behind an output that must stay */
};

static const float UNTOUCHED = 1234.5f;

static const size_t COUNTS[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 30, 31, 32, 33, 64, 100, 255, 256};

enum { COUNT_OF_COUNTS = sizeof COUNTS / sizeof COUNTS[0] };

static void fill(random_stream *random, float *x, size_t count)
{
    for (size_t j = 0; j < count; j++)
        x[j] = (float)random_normal(random);
}

/* Integers from -most to most. */
static void fill_integers(random_stream *random, int16_t *x, size_t count, int most)
{
    for (size_t j = 0; j < count; j++)
        x[j] = (int16_t)((int)random_below(random, 2 * (uint32_t)most + 1) - most);
}

static void expect_sum(const char *what, const vql_kernels *level, size_t count, double found,
                       double wanted, double size)
{
    if (!(fabs(found - wanted) <= SUM_TOLERANCE * (size + 1.0)))
        ck_abort_msg("%s of %s, count %zu: %.9g, wanted %.9g", what, level->name, count, found,
                     wanted);
}

/* A block of rows, a panel, and what their product is added to. */
typedef struct operands {
    float rows[VQL_BLOCK][MOST + SHIFTS];
    float panel[(MOST + SHIFTS) * VQL_LANES];
    int16_t narrow_rows[VQL_BLOCK][MOST + SHIFTS];
    int16_t narrow_panel[(MOST + SHIFTS) * VQL_LANES];
    float sums[VQL_BLOCK * STRIDE];
    float wanted[VQL_BLOCK * STRIDE];
    const float *row[VQL_BLOCK];
    const int16_t *narrow_row[VQL_BLOCK];
    vql_ahead ahead;
} operands;

static operands *operands_new(uint64_t seed, size_t shift)
{
    random_stream random = {seed};
    operands *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    fill(&random, made->panel, sizeof made->panel / sizeof made->panel[0]);
    fill_integers(&random, made->narrow_panel, sizeof made->panel / sizeof made->panel[0], 200);
    fill(&random, made->sums, VQL_BLOCK * STRIDE);
    memcpy(made->wanted, made->sums, sizeof made->sums);
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        fill(&random, made->rows[m], MOST + SHIFTS);
        fill_integers(&random, made->narrow_rows[m], MOST + SHIFTS, INT16_MAX);
        made->row[m] = made->rows[m] + (shift + m) % SHIFTS;
        made->narrow_row[m] = made->narrow_rows[m] + (shift + m) % SHIFTS;
        made->ahead.rows[m] = made->rows[m];
    }
    made->ahead.lines = shift;
    return made;
}

static void check_product(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    scalar->product(count, x->row, x->panel + shift, x->wanted, STRIDE);
    level->product(count, x->row, x->panel + shift, x->sums, STRIDE);
    for (size_t i = 0; i < VQL_BLOCK * STRIDE; i++)
        expect_sum("product", level, count, (double)x->sums[i], (double)x->wanted[i],
                   (double)count);
    free(x);
}

static void check_totals(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    float wanted[VQL_BLOCK];
    float found[VQL_BLOCK];
    scalar->totals(count, x->row, x->panel + shift, wanted);
    level->totals(count, x->row, x->panel + shift, found);
    for (size_t m = 0; m < VQL_BLOCK; m++)
        expect_sum("totals", level, count, (double)found[m], (double)wanted[m], (double)count);
    free(x);
}

/* Weights are positive, as e^x is, and values lie about a centre. */
static void check_attend(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    random_stream random = {count};
    float normalisers[MOST];
    for (size_t i = 0; i < MOST; i++)
        normalisers[i] = (float)random_uniform(&random);
    for (size_t m = 0; m < VQL_BLOCK; m++)
        for (size_t i = 0; i < MOST + SHIFTS; i++)
            x->rows[m][i] = m == 2 ? 0.0f : fabsf(x->rows[m][i]) + 0.1f;
    const vql_fold_tile tile = {
        .panel = x->panel + shift, .normalisers = normalisers, .centre = x->panel};
    scalar->attend(count, x->row, &tile, &x->ahead, x->wanted, STRIDE);
    level->attend(count, x->row, &tile, &x->ahead, x->sums, STRIDE);
    for (size_t i = 0; i < VQL_BLOCK * STRIDE; i++)
        expect_sum("attend", level, count, (double)x->sums[i], (double)x->wanted[i], 100.0);
    for (size_t j = 0; j < VQL_LANES; j++)
        ck_assert(x->sums[2 * STRIDE + j] == 0.0f);
    free(x);
}

/* Weights of up to 32,767 and sums close to the end of 32 bits; o of both within its rounding. */
static void check_attend_int16(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    random_stream random = {count};
    int16_t normalisers[MOST];
    float scales[VQL_LANES];
    int32_t wanted_totals[VQL_BLOCK];
    int32_t totals[VQL_BLOCK];
    fill(&random, scales, VQL_LANES);
    for (size_t i = 0; i < MOST; i++)
        normalisers[i] = (int16_t)random_below(&random, 256);
    for (size_t m = 0; m < VQL_BLOCK; m++)
        for (size_t i = 0; i < MOST + SHIFTS; i++)
            x->narrow_rows[m][i] = m == 2 ? 0 : x->narrow_rows[m][i] & INT16_MAX;
    const vql_fold_tile tile = {.panel = x->narrow_panel + shift,
                                .normalisers = normalisers,
                                .centre = x->panel,
                                .scales = scales};
    scalar->attend_int16(count, x->narrow_row, &tile, &x->ahead, x->wanted, STRIDE, wanted_totals);
    level->attend_int16(count, x->narrow_row, &tile, &x->ahead, x->sums, STRIDE, totals);
    ck_assert_mem_eq(totals, wanted_totals, sizeof totals);
    for (size_t i = 0; i < VQL_BLOCK * STRIDE; i++)
        expect_sum("attend_int16", level, count, (double)x->sums[i], (double)x->wanted[i], 1e4);
    for (size_t j = 0; j < VQL_LANES; j++)
        ck_assert(x->sums[2 * STRIDE + j] == 0.0f);
    free(x);
}

/* The second of two groups; weights too small to count among the others. */
static void check_spread(const vql_kernels *level, size_t width, const operands *x)
{
    enum { GROUPS = 2, CODEWORDS = 4, EVENTS = 40 };
    enum { COLUMNS = MOST + GUARD, ROOM = CODEWORDS * COLUMNS };
    static float values[2][ROOM];
    float normalisers[2][CODEWORDS] = {{0.0f}};
    random_stream random = {width};
    uint16_t codes[EVENTS][GROUPS];
    vql_addend addends[EVENTS];
    float weights[EVENTS];
    for (size_t i = 0; i < EVENTS; i++) {
        codes[i][0] = UINT16_MAX;
        codes[i][1] = (uint16_t)random_below(&random, CODEWORDS);
        addends[i] = (vql_addend){x->row[random_below(&random, VQL_BLOCK)], x->panel, codes[i]};
        weights[i] = i % 8 == 0 ? 1e-39f : (float)random_uniform(&random);
    }
    for (size_t v = 0; v < 2; v++) {
        for (size_t j = 0; j < ROOM; j++)
            values[v][j] = UNTOUCHED;
        const vql_spread to = {.group = 1,
                               .first = 3,
                               .width = (uint32_t)width,
                               .columns = COLUMNS,
                               .values = values[v],
                               .normalisers = normalisers[v]};
        (v == 0 ? &vql_kernels_scalar : level)->spread(&to, EVENTS, addends, weights);
    }
    for (size_t j = 0; j < ROOM; j++) {
        const double wanted = (double)values[0][j];
        expect_sum("spread", level, width, (double)values[1][j], wanted, fabs(wanted) + 10.0);
        if (j % COLUMNS >= width)
            ck_assert(values[1][j] == UNTOUCHED);
    }
    for (size_t j = 0; j < CODEWORDS; j++)
        expect_sum("spread", level, width, (double)normalisers[1][j], (double)normalisers[0][j],
                   10.0);
}

/* Signed bytes at any address. */
static void check_bytes(const vql_kernels *level, size_t count, const operands *x)
{
    float wanted[MOST + GUARD];
    float found[MOST + GUARD];
    const uint8_t *bytes = (const uint8_t *)x->narrow_rows + 1;
    for (size_t j = 0; j < MOST + GUARD; j++)
        found[j] = wanted[j] = UNTOUCHED;
    const float factors[] = {0.37f, -2.0f, 1e-3f};
    vql_kernels_scalar.combine_int8(count, 3, factors, bytes, 2 * MOST, wanted);
    level->combine_int8(count, 3, factors, bytes, 2 * MOST, found);
    for (size_t j = 0; j < MOST + GUARD; j++)
        expect_sum("combine_int8", level, count, (double)found[j], (double)wanted[j], 1e3);
    ck_assert(found[count] == UNTOUCHED);
}

static void check_sums(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    float wanted[MOST + GUARD];
    float found[MOST + GUARD];
    for (size_t j = 0; j < MOST + GUARD; j++)
        found[j] = wanted[j] = UNTOUCHED;
    scalar->axpy(count, -0.7f, x->row[1], wanted + shift);
    level->axpy(count, -0.7f, x->row[1], found + shift);
    for (size_t j = 0; j < MOST + GUARD; j++)
        expect_sum("axpy", level, count, (double)found[j], (double)wanted[j],
                   fabs((double)wanted[j]) + 10.0);
    if (count < 64)
        check_spread(level, count, x);
    check_bytes(level, count, x);
    free(x);
}

/* Exact: they move or round numbers. */
static void check_moves(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const vql_kernels *scalar = &vql_kernels_scalar;
    random_stream random = {count};
    uint32_t mask[MOST / 32 + 1] = {0};
    for (size_t i = 0; i < count; i++)
        if (random_below(&random, 4) < shift + 1)
            mask[i / 32] |= UINT32_C(1) << i % 32;
    scalar->compact(count, mask, x->row[0], x->rows[2]);
    level->compact(count, mask, x->row[0], x->rows[3]);
    scalar->compact_int16(count, mask, x->narrow_row[0], x->narrow_rows[2]);
    level->compact_int16(count, mask, x->narrow_row[0], x->narrow_rows[3]);
    size_t kept = 0;
    for (size_t word = 0; word < sizeof mask / sizeof mask[0]; word++)
        kept += (size_t)__builtin_popcount(mask[word]);
    ck_assert_mem_eq(x->rows[2], x->rows[3], kept * sizeof(float));
    ck_assert_mem_eq(x->narrow_rows[2], x->narrow_rows[3], kept * sizeof(int16_t));
    memcpy(x->rows[4], x->rows[5], sizeof x->rows[4]);
    scalar->rectify(count, x->rows[4]);
    level->rectify(count, x->rows[5]);
    ck_assert_mem_eq(x->rows[4], x->rows[5], sizeof x->rows[4]);
    free(x);
}

/* To the nearest integer, of a tie either one: levels may or may not fuse a multiply-add. */
static void expect_rounded(const char *what, double number, int rounded)
{
    if (!(fabs(number - rounded) <= 0.5 + 1e-3))
        ck_abort_msg("%s: %.9g became %d", what, number, rounded);
}

static void check_rounding(const vql_kernels *level, size_t count, size_t shift)
{
    operands *x = operands_new(count * SHIFTS + shift, shift);
    const float *numbers = x->panel + shift;
    const float factors[VQL_LANES] = {0.0f, 1.0f, 1000.0f, 7.5f};
    const size_t even = count / 2 * 2;
    int16_t *packed = x->narrow_panel;
    level->quantize(count, -2000.0f, numbers, packed + shift);
    for (size_t j = 0; j < count; j++)
        expect_rounded("quantize", -2000.0 * (double)numbers[j], packed[shift + j]);
    packed[even * VQL_LANES] = 17;
    level->pack_int16(even, numbers, VQL_LANES, factors, packed);
    for (size_t i = 0; i < even; i++)
        for (size_t j = 0; j < VQL_LANES; j++)
            expect_rounded("pack_int16", (double)factors[j] * (double)numbers[i * VQL_LANES + j],
                           packed[(i / 2 * VQL_LANES + j) * 2 + i % 2]);
    ck_assert_int_eq(packed[even * VQL_LANES], 17);
    free(x);
}

static void check_exponential(const vql_kernels *level, size_t count)
{
    random_stream random = {count};
    float x[MOST + GUARD];
    float given[MOST + GUARD];
    for (size_t j = 0; j < MOST + GUARD; j++)
        x[j] = given[j] = (float)(random_uniform(&random) * 175.0 - 87.0);
    level->exponential(count, x);
    for (size_t j = 0; j < count; j++) {
        const double wanted = exp((double)given[j]);
        if (!(fabs((double)x[j] / wanted - 1.0) <= EXPONENTIAL_TOLERANCE))
            ck_abort_msg("%s: e^%g is %g", level->name, (double)given[j], (double)x[j]);
    }
    ck_assert_mem_eq(x + count, given + count, (MOST + GUARD - count) * sizeof *x);
}

START_TEST(test_levels)
{
    const char *name;
    const size_t count = COUNTS[_i];
    for (size_t i = 0; (name = vql_kernels_supported(i)) != NULL; i++) {
        const vql_kernels *level = vql_kernels_find(name);
        ck_assert_str_eq(level->name, name);
        check_exponential(level, count);
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            check_product(level, count, shift);
            check_totals(level, count, shift);
            check_attend(level, count, shift);
            check_attend_int16(level, count / 2 * 2, shift);
            check_sums(level, count, shift);
            check_moves(level, count, shift);
            check_rounding(level, count, shift);
        }
    }
}
END_TEST

/* e^x where floats end, and at 0. */
START_TEST(test_ends_of_the_exponential)
{
    const char *name;
    for (size_t i = 0; (name = vql_kernels_supported(i)) != NULL; i++) {
        const vql_kernels *level = vql_kernels_find(name);
        float x[] = {0.0f, -0.0f, -INFINITY, -1e30f, -104.0f, -88.0f, 88.0f, -87.0f};
        level->exponential(sizeof x / sizeof x[0], x);
        ck_assert(x[0] == 1.0f && x[1] == 1.0f);
        for (size_t j = 2; j < 6; j++)
            ck_assert_msg(x[j] >= 0.0f && x[j] <= 1.2e-38f, "%s: %zu: %g", name, j, (double)x[j]);
        ck_assert_double_eq_tol((double)x[6] / exp(88.0), 1.0, EXPONENTIAL_TOLERANCE);
        ck_assert_double_eq_tol((double)x[7] / exp(-87.0), 1.0, EXPONENTIAL_TOLERANCE);
    }
}
END_TEST

START_TEST(test_select)
{
    const char *best = vql_kernels_name();
    const char *name;
    vql_error error;
    for (size_t i = 0; (name = vql_kernels_supported(i)) != NULL; i++) {
        ck_assert_int_eq(vql_kernels_select(name, NULL), VQL_OK);
        ck_assert_str_eq(vql_kernels_name(), name);
        ck_assert_str_eq(vql_kernels_active()->name, name);
    }
    ck_assert_int_eq(vql_kernels_select("scalar", &error), VQL_OK);
    ck_assert_int_eq(vql_kernels_select("mmx", &error), VQL_VALUE);
    ck_assert_msg(strstr(error.text, "kernels \"mmx\": supported here are scalar") != NULL, "%s",
                  error.text);
    ck_assert_str_eq(vql_kernels_name(), "scalar");
    ck_assert_int_eq(vql_kernels_select("", NULL), VQL_OK);
    ck_assert_str_eq(vql_kernels_name(), best);
    ck_assert_int_eq(vql_kernels_select(NULL, NULL), VQL_OK);
    ck_assert_str_eq(vql_kernels_name(), best);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tcase = tcase_create("kernels");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_levels, 0, COUNT_OF_COUNTS);
    tcase_add_test(tcase, test_ends_of_the_exponential);
    tcase_add_test(tcase, test_select);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}
