"""grpc.health.v1: Check and Watch."""

from grpc import StatusCode
from health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest

from client import CALL_S, InteropTest

SERVICES = ("", "vql.v1.Scoring", "vql.v1.History", "vql.v1.Models")


class HealthTest(InteropTest):
    def check(self, service):
        return self.client.health.Check(HealthCheckRequest(service=service), timeout=CALL_S).status

    def watch(self, service):
        return self.client.health.Watch(HealthCheckRequest(service=service), timeout=CALL_S)

    def test_check(self):
        for service in SERVICES:
            with self.subTest(service):
                self.assertEqual(self.check(service), HealthCheckResponse.SERVING)

    def test_check_of_an_unknown_service(self):
        for service in ("vql.v1.Missing", "vql.v1", "vql.v1.Scorin", "x" * 100_000):
            with self.subTest(service[:20]), self.assert_refused(StatusCode.NOT_FOUND):
                self.check(service)

    def test_list(self):
        statuses = self.client.health.List(HealthListRequest(), timeout=CALL_S).statuses
        self.assertLessEqual(set(SERVICES), set(statuses))
        for service, answer in statuses.items():
            self.assertEqual(answer.status, HealthCheckResponse.SERVING, service)
            self.assertEqual(self.check(service), answer.status)

    def test_watch(self):
        watches = [self.watch(service) for service in SERVICES]
        for watch in watches:
            self.assertEqual(next(watch).status, HealthCheckResponse.SERVING)
            watch.cancel()
        self.assertEqual(self.check(""), HealthCheckResponse.SERVING)

    def test_watch_of_an_unknown_service(self):
        """The watch stays open: the service may come to be known."""
        watch = self.watch("vql.v1.Missing")
        self.assertEqual(next(watch).status, HealthCheckResponse.SERVICE_UNKNOWN)
        self.assertTrue(watch.is_active())
        watch.cancel()
