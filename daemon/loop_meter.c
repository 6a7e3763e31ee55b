/* loop_meter: see loop_meter.h. */
#include "loop_meter.h"

/* Runs before each wait. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop_meter *meter = prepare->data;
    uint64_t now = uv_hrtime();
    uint64_t idle = uv_metrics_idle_time(prepare->loop);
    uint64_t busy = (now - meter->seen_ns) - (idle - meter->idle_ns);
    if (meter->has_begun && busy > meter->busy_max_ns) /* not the daemon's own start */
        meter->busy_max_ns = busy;
    meter->has_begun = true;
    meter->seen_ns = now;
    meter->idle_ns = idle;
}

void loop_meter_start(struct loop_meter *meter, uv_loop_t *loop)
{
    uv_prepare_init(loop, &meter->prepare);
    meter->prepare.data = meter;
    meter->has_begun = false;
    meter->busy_max_ns = 0;
    uv_prepare_start(&meter->prepare, on_prepare);
    uv_unref((uv_handle_t *)&meter->prepare); /* it alone is no reason to run */
}

void loop_meter_stop(struct loop_meter *meter)
{
    uv_close((uv_handle_t *)&meter->prepare, NULL);
}

uint64_t loop_meter_busy_max_us(const struct loop_meter *meter)
{
    return meter->busy_max_ns / 1000;
}
