#include "ctl_print.h"

#include <inttypes.h>
#include <time.h>

void print_time(int64_t time_ms, char out[PRINT_TIME_BYTES])
{
    const time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    char date[32];
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &utc) == 0) {
        (void)snprintf(out, PRINT_TIME_BYTES, "beyond the calendar");
        return;
    }
    (void)snprintf(out, PRINT_TIME_BYTES, "%s.%03d UTC", date, (int)(time_ms % 1000));
}

void print_json_string(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else if (c < ' ')
            (void)fprintf(out, "\\u%04x", c);
        else
            (void)fputc(c, out);
    }
    (void)fputc('"', out);
}
