# SPDX-License-Identifier: Apache-2.0
"""Compares our protocol descriptors with those of the published Python package jumpstarter-protocol.

usage: python descriptors.py IMAGE

IMAGE is a FileDescriptorSet with all imports, as `buf build -o x.binpb` writes it. The interpreter must have
jumpstarter-protocol installed; descriptors.mjs does the rest. Every file, message, field, enum, enum value, service and
method is checked in both directions. What may differ is listed in ADDITIONS and REMOVALS and nowhere else.
"""

import importlib
import importlib.metadata
import pkgutil
import sys

from google.protobuf import descriptor_pb2, descriptor_pool

PACKAGE = "jumpstarter_protocol"
DISTRIBUTION = "jumpstarter-protocol"

# Our files follow a newer state of the protocol (0.10.0-dev) than the newest published package (0.9.0). Each difference is listed
# here in full, not just by its name. An entry that is out of date fails until it is removed.
ADDITIONS = {
    # A lease passes a context from the client to the exporter.
    "message jumpstarter.client.v1.Lease.ContextEntry": "in jumpstarter/client/v1/client.proto map-entry",
    "field jumpstarter.client.v1.Lease.ContextEntry.key": "1 string json=key",
    "field jumpstarter.client.v1.Lease.ContextEntry.value": "2 string json=value",
    "field jumpstarter.client.v1.Lease.context": (
        "15 repeated message jumpstarter.client.v1.Lease.ContextEntry json=context"
    ),
    "message jumpstarter.v1.StatusResponse.ContextEntry": "in jumpstarter/v1/jumpstarter.proto map-entry",
    "field jumpstarter.v1.StatusResponse.ContextEntry.key": "1 string json=key",
    "field jumpstarter.v1.StatusResponse.ContextEntry.value": "2 string json=value",
    "field jumpstarter.v1.StatusResponse.context": (
        "4 repeated message jumpstarter.v1.StatusResponse.ContextEntry json=context"
    ),
    # An exporter has a message of the day.
    "field jumpstarter.v1.GetReportResponse.motd": "5 string json=motd",
    # Log lines are structured.
    "field jumpstarter.v1.LogStreamResponse.driver_type": "5 optional string presence json=driverType",
    "field jumpstarter.v1.LogStreamResponse.operation": "6 optional string presence json=operation",
    "field jumpstarter.v1.LogStreamResponse.timestamp": (
        "7 optional message google.protobuf.Timestamp presence json=timestamp"
    ),
    "field jumpstarter.v1.LogStreamResponse.structured_fields": (
        "8 repeated message jumpstarter.v1.LogStreamResponse.StructuredFieldsEntry json=structuredFields"
    ),
    "message jumpstarter.v1.LogStreamResponse.StructuredFieldsEntry": "in jumpstarter/v1/jumpstarter.proto map-entry",
    "field jumpstarter.v1.LogStreamResponse.StructuredFieldsEntry.key": "1 string json=key",
    "field jumpstarter.v1.LogStreamResponse.StructuredFieldsEntry.value": "2 string json=value",
    # The controller tells exporters about telemetry.
    "method jumpstarter.v1.ControllerService.GetServiceEndpoints": (
        "jumpstarter.v1.GetServiceEndpointsRequest -> jumpstarter.v1.GetServiceEndpointsResponse"
    ),
    "message jumpstarter.v1.GetServiceEndpointsRequest": "in jumpstarter/v1/jumpstarter.proto",
    "message jumpstarter.v1.GetServiceEndpointsResponse": "in jumpstarter/v1/jumpstarter.proto",
    "field jumpstarter.v1.GetServiceEndpointsResponse.telemetry_endpoints": (
        "1 repeated message jumpstarter.v1.TelemetryEndpoint json=telemetryEndpoints"
    ),
    "message jumpstarter.v1.TelemetryEndpoint": "in jumpstarter/v1/jumpstarter.proto",
    "field jumpstarter.v1.TelemetryEndpoint.endpoint": "1 string json=endpoint",
    "field jumpstarter.v1.TelemetryEndpoint.certificate": "2 string json=certificate",
    "field jumpstarter.v1.TelemetryEndpoint.min_severity": "3 string json=minSeverity",
    # Telemetry itself.
    "file jumpstarter/v1/telemetry.proto": "package jumpstarter.v1 syntax proto3",
    "service jumpstarter.v1.TelemetryService": "in jumpstarter/v1/telemetry.proto",
    "method jumpstarter.v1.TelemetryService.PushLogs": (
        "jumpstarter.v1.PushLogsRequest -> jumpstarter.v1.PushLogsResponse"
    ),
    "message jumpstarter.v1.PushLogsRequest": "in jumpstarter/v1/telemetry.proto",
    "field jumpstarter.v1.PushLogsRequest.entries": "1 repeated message jumpstarter.v1.LogEntry json=entries",
    "message jumpstarter.v1.PushLogsResponse": "in jumpstarter/v1/telemetry.proto",
    "field jumpstarter.v1.PushLogsResponse.accepted": "1 uint32 json=accepted",
    "field jumpstarter.v1.PushLogsResponse.dropped": "2 uint32 json=dropped",
    "message jumpstarter.v1.LogEntry": "in jumpstarter/v1/telemetry.proto",
    "field jumpstarter.v1.LogEntry.timestamp": "1 message google.protobuf.Timestamp presence json=timestamp",
    "field jumpstarter.v1.LogEntry.severity": "2 string json=severity",
    "field jumpstarter.v1.LogEntry.message": "3 string json=message",
    "field jumpstarter.v1.LogEntry.component": "4 string json=component",
    "field jumpstarter.v1.LogEntry.exporter": "5 string json=exporter",
    "field jumpstarter.v1.LogEntry.lease": "6 string json=lease",
    "field jumpstarter.v1.LogEntry.client": "7 string json=client",
    "field jumpstarter.v1.LogEntry.operation": "8 string json=operation",
    "field jumpstarter.v1.LogEntry.result": "9 string json=result",
    "field jumpstarter.v1.LogEntry.driver_type": "10 string json=driverType",
    "field jumpstarter.v1.LogEntry.extra_fields": (
        "11 repeated message jumpstarter.v1.LogEntry.ExtraFieldsEntry json=extraFields"
    ),
    "field jumpstarter.v1.LogEntry.namespace": "12 string json=namespace",
    "message jumpstarter.v1.LogEntry.ExtraFieldsEntry": "in jumpstarter/v1/telemetry.proto map-entry",
    "field jumpstarter.v1.LogEntry.ExtraFieldsEntry.key": "1 string json=key",
    "field jumpstarter.v1.LogEntry.ExtraFieldsEntry.value": "2 string json=value",
}

# Items of the published package that the newer state of the protocol no longer has.
REMOVALS = {
    "method jumpstarter.v1.ControllerService.AuditStream": (
        "stream jumpstarter.v1.AuditStreamRequest -> google.protobuf.Empty"
    ),
    "message jumpstarter.v1.AuditStreamRequest": "in jumpstarter/v1/jumpstarter.proto",
    "field jumpstarter.v1.AuditStreamRequest.exporter_uuid": "1 string json=exporterUuid",
    "field jumpstarter.v1.AuditStreamRequest.driver_instance_uuid": "2 string json=driverInstanceUuid",
    "field jumpstarter.v1.AuditStreamRequest.severity": "3 string json=severity",
    "field jumpstarter.v1.AuditStreamRequest.message": "4 string json=message",
}

FIELD = descriptor_pb2.FieldDescriptorProto
TYPE_NAMES = {number: name.removeprefix("TYPE_").lower() for name, number in FIELD.Type.items()}


def field_facts(field, descriptor):
    """Describes in one line everything about a field that the wire or a generated API depends on."""
    words = [str(field.number)]
    if field.label == FIELD.LABEL_REPEATED:
        words.append("repeated")
    elif field.label == FIELD.LABEL_REQUIRED:
        words.append("required")
    if field.proto3_optional:
        words.append("optional")
    words.append(TYPE_NAMES[field.type])
    if field.type_name:
        words.append(field.type_name.removeprefix("."))
    # The descriptor knows what the flags imply: presence follows from optional, message type or oneof, and packing from the syntax.
    if descriptor.has_presence:
        words.append("presence")
    if field.label == FIELD.LABEL_REPEATED and descriptor.is_packed:
        words.append("packed")
    # A proto3 optional field has its own oneof, which proto3_optional already covers.
    if descriptor.containing_oneof is not None and not field.proto3_optional:
        words.append(f"oneof={descriptor.containing_oneof.name}")
    if field.HasField("default_value"):
        words.append(f"default={field.default_value}")
    words.append(f"json={descriptor.json_name}")
    if field.options.deprecated:
        words.append("deprecated")
    return " ".join(words)


def message_facts(facts, file, prefix, message, descriptor):
    name = f"{prefix}.{message.name}"
    facts[f"message {name}"] = f"in {file.name}{' map-entry' if message.options.map_entry else ''}"
    for field in message.field:
        facts[f"field {name}.{field.name}"] = field_facts(field, descriptor.fields_by_name[field.name])
    for nested in message.nested_type:
        message_facts(facts, file, name, nested, descriptor.nested_types_by_name[nested.name])
    for enum in message.enum_type:
        enum_facts(facts, file, name, enum)


def enum_facts(facts, file, prefix, enum):
    name = f"{prefix}.{enum.name}"
    facts[f"enum {name}"] = f"in {file.name}{' allow-alias' if enum.options.allow_alias else ''}"
    for value in enum.value:
        facts[f"value {name}.{value.name}"] = str(value.number)


def service_facts(facts, file, prefix, service):
    name = f"{prefix}.{service.name}"
    facts[f"service {name}"] = f"in {file.name}"
    for method in service.method:
        source = ("stream " if method.client_streaming else "") + method.input_type.removeprefix(".")
        target = ("stream " if method.server_streaming else "") + method.output_type.removeprefix(".")
        facts[f"method {name}.{method.name}"] = f"{source} -> {target}"


def file_facts(descriptors):
    """Returns the facts of files: a key for each item, with a text that describes it completely."""
    facts = {}
    for descriptor in descriptors:
        file = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(file)
        # Imports and options are omitted: neither has an effect on the wire, and our files have no google/api annotations.
        facts[f"file {file.name}"] = f"package {file.package} syntax {file.syntax or 'proto2'}"
        for message in file.message_type:
            message_facts(facts, file, file.package, message, descriptor.message_types_by_name[message.name])
        for enum in file.enum_type:
            enum_facts(facts, file, file.package, enum)
        for service in file.service:
            service_facts(facts, file, file.package, service)
    return facts


def our_descriptors(path):
    with open(path, "rb") as image:
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read()).file
    # Use a separate pool, because the default pool already has upstream's files under the same names. A pool checks every reference
    # that it resolves, so an inconsistent image fails here.
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    return [pool.FindFileByName(file.name) for file in files if not file.name.startswith("google/")]


def upstream_descriptors():
    package = importlib.import_module(PACKAGE)
    # The files are found rather than listed, so that a file of a later version is not overlooked.
    names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    return [importlib.import_module(name).DESCRIPTOR for name in names if name.endswith("_pb2")]


def difference(key, our, their):
    """Returns what is wrong with an item, or None."""
    addition, removal = ADDITIONS.get(key), REMOVALS.get(key)
    if addition is not None:
        if their is not None:
            return "upstream has it now, so its entry in ADDITIONS is out of date"
        if our != addition:
            return f"differs from ADDITIONS\n    ours      {our}\n    ADDITIONS {addition}"
        return None
    if removal is not None:
        if our is not None:
            return "ours has it, so its entry in REMOVALS is wrong"
        if their != removal:
            return f"differs from REMOVALS\n    upstream  {their}\n    REMOVALS  {removal}"
        return None
    if their is None:
        return f"upstream does not have it, and neither does ADDITIONS\n    ours      {our}"
    if our is None:
        return f"missing from ours\n    upstream  {their}"
    if our != their:
        return f"differs\n    ours      {our}\n    upstream  {their}"
    return None


def main(path):
    ours = file_facts(our_descriptors(path))
    theirs = file_facts(upstream_descriptors())
    failures = []
    passed = 0

    if not theirs:
        failures.append(f"{DISTRIBUTION} has no descriptors: there is nothing to compare with")
    for key in sorted(ours.keys() | theirs.keys() | ADDITIONS.keys() | REMOVALS.keys()):
        problem = difference(key, ours.get(key), theirs.get(key))
        if problem is None:
            passed += 1
        else:
            failures.append(f"{key}: {problem}")

    for failure in failures:
        print(f"FAIL {failure}")
    version = importlib.metadata.version(DISTRIBUTION)
    print(f"compared with {DISTRIBUTION} {version}: {len(ADDITIONS)} known additions, {len(REMOVALS)} known removals")
    print(f"descriptors: {passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python descriptors.py IMAGE")
    sys.exit(main(sys.argv[1]))
