/*
 * Gives a target every file of the folders that are named, without libFuzzer, and each of them cut
 * short as well, in copies of its own so that a sanitizer sees what reads beyond them.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "target.h"

enum { CUTS = 16 };

static void give(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count > 0 ? count : 1);
    if (!copy)
        abort();
    if (count > 0)
        memcpy(copy, bytes, count);
    (void)LLVMFuzzerTestOneInput(copy, count);
    free(copy);
}

static void replay_file(const char *path)
{
    size_t count;
    uint8_t *bytes = file_read(path, &count);
    give(bytes, count);
    for (size_t i = 0; i < CUTS; i++)
        give(bytes, count * i / CUTS);
    free(bytes);
}

static unsigned replay_folder(const char *path)
{
    unsigned files = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char name[4096];
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        replay_file(name);
        files++;
    }
    (void)closedir(folder);
    return files;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    for (int i = 1; i < argc; i++)
        files += replay_folder(argv[i]);
    (void)printf("%u inputs\n", files);
    return files > 0 ? 0 : 1;
}
