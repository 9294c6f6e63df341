/*
 * What a program of libvqlclient is made of: asks a server that is not there for its health.
 */
#include <stdio.h>
#include <vqlclient.h>

static void on_health(const vqlc_result *result,
                      const Grpc__Health__V1__HealthCheckResponse *answer, void *arg)
{
    (void)answer;
    vqlc_channel_close(arg, NULL, NULL);
    puts(vqlc_status_name(result->status));
}

int main(void)
{
    vqlc_channel *channel;
    if (vqlc_channel_open(uv_default_loop(), "127.0.0.1:1", NULL, &channel) != 0)
        return 1;
    vqlc_health(channel, "", NULL, on_health, channel);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
