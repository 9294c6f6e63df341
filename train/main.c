/*
 * vql-train: trains models from logs, judges them, and makes logs to try it on.
 */
#include <string.h>

#include "commands.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "evaluate") == 0)
        return (int)command_evaluate(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "generate") == 0)
        return (int)command_generate(argc - 2, argv + 2);
    return (int)command_fail("no");
}
