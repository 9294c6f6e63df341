/*
 * The main function of every unit test program: runs one suite in fork mode and says how it went.
 */
#ifndef VQL_TESTS_CHECK_MAIN_H
#define VQL_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

static int check_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
