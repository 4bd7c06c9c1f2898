"""What a container of ours may do with the object store: with which keys, in which bucket, at which ports."""

from tests.compose.stack import Stack

S3, GRPC = 8333, 18333
OTHERS = (8080, 8181, 8888, 9101, 9333, 18080, 18888, 19333)  # SeaweedFS' volumes, files, master and catalogs
LIST = """
import sys, boto3, botocore.exceptions
try:
    boto3.client("s3", region_name="us-east-1").list_objects_v2(Bucket=sys.argv[1], MaxKeys=1)
    print("listed")
except botocore.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
"""
CONNECT = """
import sys, socket
for port in sys.argv[1:]:
    try:
        socket.create_connection(("s3", int(port)), timeout=5).close()
        print(port)
    except ConnectionRefusedError:
        pass
"""
ADD_USER = """
import grpc
call = grpc.insecure_channel("s3:18333").unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")
try:
    call(b"", timeout=30)
except grpc.RpcError as error:
    print(error.code().name)
"""


def listed(stack: Stack, bucket: str, access_key: str, secret_key: str) -> str:
    """`listed`, or the store's code of the error."""
    given = [f"--env=AWS_ACCESS_KEY_ID={access_key}", f"--env=AWS_SECRET_ACCESS_KEY={secret_key}"]
    return stack.compose("exec", "-T", *given, "worker", "python", "-c", LIST, bucket).split()[-1]


def open_ports(stack: Stack) -> list[int]:
    """Where the store lets a worker in."""
    ports = [str(port) for port in (S3, GRPC, *OTHERS)]
    return [int(port) for port in stack.compose("exec", "-T", "worker", "python", "-c", CONNECT, *ports).split()]


def keys_are_needed(stack: Stack) -> None:
    """The store is reached by S3 only, which takes no users from strangers and keeps each user to the own bucket."""
    told = stack.variables
    assert open_ports(stack) == [S3, GRPC]
    assert stack.compose("exec", "-T", "worker", "python", "-c", ADD_USER).split()[-1] == "UNAUTHENTICATED"
    for bucket, others in (("LAKE", "MLFLOW"), ("MLFLOW", "LAKE")):
        own = (told[f"S3_{bucket}_ACCESS_KEY"], told[f"S3_{bucket}_SECRET_KEY"])
        assert listed(stack, bucket.lower(), *own) == "listed"
        assert listed(stack, others.lower(), *own) == "AccessDenied"
    assert listed(stack, "lake", told["S3_LAKE_ACCESS_KEY"], told["S3_MLFLOW_SECRET_KEY"]) == "SignatureDoesNotMatch"
