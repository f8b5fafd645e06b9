//! Code of the guide's service. protoc is needed by etcd-client in any case.

fn main() -> std::io::Result<()> {
    tonic_prost_build::compile_protos("proto/guide.proto")
}
