/*
 * vql-train: learns models from logs, judges them, and makes logs to try it on.
 */
#include <string.h>

#include "commands.h"

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "evaluate") == 0)
        return (int)command_evaluate(argc - 2, argv + 2);
    if (strcmp(command, "generate") == 0)
        return (int)command_generate(argc - 2, argv + 2);
    return (int)command_train(argc - 1, argv + 1);
}
