"""
Every reason for which an upload ends without being available: a stable name, what it means, what to do.

Names never change once released: producers and operators match on them.
README's "When it fails" is this table, and a test keeps both equal.
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """A stable code with its *meaning* and the *remedy* that the producer or the operator is told."""

    meaning: str
    remedy: str

    def __init__(self, meaning: str, remedy: str) -> None:
        self.meaning = meaning
        self.remedy = remedy

    # The object as a whole.
    NOT_ARCHIVE = (
        "The object is not a tar archive.",
        "Upload what `docker save`, an OCI tool or Helm wrote.",
    )
    EMPTY_OBJECT = ("The object is empty.", "Upload the archive again; the producer wrote nothing.")
    NO_IMAGE = (
        "The tar has no table of images (manifest.json, or index.json of an OCI layout), or one that lists none.",
        "Save an image with `docker save` or an OCI tool.",
    )
    ROOT_FILE_SYSTEM = (
        "The tar is a root file system, not an image.",
        "Use `docker save`, not `docker export`; or build an image from it.",
    )
    BUNDLE = (
        "The archive is another tool's bundle, not an image archive.",
        "See the details for the tool; let it write the images.",
    )
    TRUNCATED = (
        "The archive ends before its end mark.",
        "Upload it again; the transfer or the writer was cut off.",
    )
    TRAILING = (
        "Data follows the end mark of the archive.",
        "Do not concatenate archives; upload one at a time.",
    )
    COMPRESSED = (
        "The archive is compressed as a whole and takes longer to inflate than a function may run.",
        "Upload the plain tar.",
    )

    # The tar.
    TAR_HEADER = (
        "A tar header is not sound (checksum, number or magic).",
        "Write the archive anew with its tool.",
    )
    TAR_META = ("A tar extension header is too large or malformed.", "Write the archive anew with its tool.")
    TAR_DESYNC = (
        "Two headers disagree about a member's size.",
        "Write the archive anew; readers would differ on it.",
    )
    TAR_TYPE = (
        "A member is of a type that no image archive needs.",
        "Write the archive anew with an image tool.",
    )
    MEMBER_NAME = (
        "A member's name is absolute, climbs out, or is not clean text.",
        "Use an image tool to write it.",
    )
    NAME_ENCODING = ("A member's name is not UTF-8.", "Write the archive anew with UTF-8 names.")
    DUP_MEMBER = ("Two members have one name.", "Write the archive anew; readers would pick different ones.")
    TOO_MANY_MEMBERS = (
        "The archive has more members than the limit.",
        "Split it, or ask for a higher limit.",
    )
    LINK = (
        "A link does not lead to a regular file of the archive.",
        "Save the image again with a current tool.",
    )

    LINK_TYPE = ("A member is a hard link.", "Write the archive anew with an image tool.")

    # Documents.
    JSON = (
        "A JSON document cannot be parsed strictly.",
        "Build the image with a tool that writes plain JSON.",
    )
    JSON_AMBIGUOUS = ("A JSON object has one key twice.", "Build the image anew; readers would differ on it.")
    TOO_LARGE = ("A document is larger than ECR or the limits allow.", "Make the manifest or config smaller.")
    MANIFEST_FORM = ("A manifest, index or config lacks what its format demands.", "Build the image anew.")
    MEDIA_TYPE = (
        "A manifest contradicts itself about what it is.",
        "Build the image anew; readers would differ on it.",
    )
    VIEWS_DISAGREE = (
        "manifest.json and index.json describe different images.",
        "Save the image again; readers would differ on it.",
    )
    INDEX_LIMIT = ("An index is nested too deep or has too many entries.", "Split the index.")
    PLATFORM_ABSENT = (
        "An index has none of the platforms that the settings choose.",
        "Build the image for one of them, or change the settings.",
    )
    PLATFORM_MISMATCH = (
        "An index labels an image with another platform than its config.",
        "Build the index anew; nodes would pull an image that they cannot run.",
    )
    SCHEMA1 = ("The image has a Docker schema 1 manifest.", "Pull and save the image with a current tool.")

    # Blobs.
    DIGEST_FORM = ("A digest is malformed.", "Build the image anew.")
    DIGEST_ALGORITHM = ("A digest is not sha256.", "Build the image with sha256; ECR stores nothing else.")
    DIGEST_MISMATCH = (
        "Content differs from its digest.",
        "Upload the archive again; it is damaged or forged.",
    )
    CONFIG_DIGEST = (
        "A config's file is named after a digest that is not its own.",
        "Save the image again; it is damaged or forged.",
    )
    SIZE = ("Content differs from its stated size, or a size is no size.", "Upload the archive again.")
    MISSING_BLOB = (
        "The archive lacks a config, manifest or layer that it names.",
        "Save the image completely.",
    )
    COUNT = ("The image's layers and its config's diff_ids differ in number.", "Build the image anew.")
    LAYER_LIMIT = ("A layer is larger than ECR can store in parts.", "Split the layer; ECR takes 42,000 MiB.")
    LAYER_COUNT = ("The image has more layers than the limit.", "Squash layers.")
    EMPTY_BLOB = ("A blob has no bytes; ECR cannot store one.", "Build the image without it.")
    FOREIGN_LAYER = (
        "A layer's bytes are elsewhere (foreign layer).",
        "Save the image with its layers included.",
    )
    ENCRYPTED_LAYER = (
        "A layer is encrypted and the settings refuse that.",
        "Decrypt it, or allow it in the settings.",
    )
    LAYER_COMPRESSION = (
        "A layer is compressed in a way that no manifest can name.",
        "Save the image with uncompressed, gzip or zstd layers.",
    )
    COMPRESSION = ("A compressed stream is damaged or of an unknown kind.", "Upload the archive again.")
    BOMB = ("Decompression would exceed the limits.", "Upload the archive, or its layer, uncompressed.")

    # Helm charts.
    CHART_NAME = (
        "The chart's name or version cannot be a repository or a tag.",
        "Correct Chart.yaml and package it again.",
    )
    CHART_METADATA = ("Chart.yaml is missing or malformed.", "Package the chart again with `helm package`.")
    CHART_SIZE = (
        "The chart or one of its files is larger than Helm allows.",
        "Use .helmignore to leave files out.",
    )
    CHART_PROVENANCE = (
        "The provenance file is not this chart's.",
        "Upload the .prov that `helm package --sign` wrote for this very file.",
    )
    CHART_MEMBER = (
        "The chart has a member that Helm would not load.",
        "Package the chart again with `helm package`.",
    )

    # Where it should go.
    KEY = ("The object's key names no repository.", "Upload to uploads/<repository path>/<file name>.")
    REPOSITORY_NAME = (
        "The repository's name is not one that ECR allows.",
        "Use lower-case letters, digits, . _ - /.",
    )
    TAG_NAME = (
        "The tag is not one that registries allow.",
        "Tag the image, or name the file <name>-<tag>.tar.",
    )
    TAG_MISSING = (
        "Neither the archive nor the file's name gives a tag.",
        "Tag the image, or name the file so.",
    )
    TAG_COLLISION = (
        "Two images of the archive meet at one repository and tag.",
        "Give each image its own name.",
    )
    IMAGE_NAME = (
        "One of several images in the archive has no usable name.",
        "Tag every image before saving.",
    )
    REPOSITORY_ABSENT = (
        "The repository does not exist and may not be created.",
        "Create it, or let the settings and the access rule create it.",
    )
    TAG_IMMUTABLE = ("The tag is immutable and names another image.", "Use a new tag.")

    # Who may.
    UPLOADER_DENIED = ("No access rule lets this uploader push there.", "Ask the operator for a rule.")
    LIMIT_BYTES = (
        "The object is larger than its access rule allows.",
        "Make the image smaller, or ask the operator for a higher limit.",
    )
    LIMIT_IMAGES = (
        "The archive holds more images than its access rule allows.",
        "Split the archive, or ask the operator for a higher limit.",
    )
    LIMIT_DAY = (
        "The uploader has sent more bytes within 24 hours than the access rule allows.",
        "Retry tomorrow, or ask the operator for a higher limit.",
    )
    LIMIT_AT_ONCE = (
        "The uploader has more uploads on their way than the access rule allows.",
        "Wait until some have ended, then retry.",
    )
    DESTINATION_REQUIRED = (
        "The access rule demands a destination that replication does not reach.",
        "Correct the registry's replication rules, or the access rule.",
    )
    RULES_INVALID = (
        "The access rules cannot be read, so nobody may upload.",
        "See the details for the place; put a sound document with `transship rules put`.",
    )
    PERMISSION_MISSING = ("One of our roles lacks a permission.", "Add the statement given in the details.")
    PREFLIGHT_UNKNOWN = (
        "Our permissions could not be found out.",
        "Allow iam:SimulatePrincipalPolicy to receive.",
    )
    IDENTITY_MISMATCH = (
        "A function runs under another role than was judged.",
        "Deploy again; check the settings.",
    )

    # While pushing and after.
    OBJECT_GONE = ("The object's version was deleted before it was read.", "Upload the archive again.")
    OBJECT_CHANGED = ("The object's bytes are not those of the upload.", "Upload the archive again.")
    ACCESS_DENIED = (
        "A call was denied although the preflight allowed it.",
        "Add the statement given in the details.",
    )
    REGISTRY_REFUSED = ("ECR refused a call for good.", "See the details for ECR's own words.")
    REGISTRY_LIMIT = ("A limit of the registry is reached.", "Delete images or tags, or raise the quota.")
    KMS = ("The repository's KMS key cannot be used.", "Enable the key and ECR's grants on it.")
    IMAGE_GONE = ("The image was deleted after it was put.", "Look for lifecycle rules and deletions; retry.")
    LAYERS_GONE = (
        "ECR lost layers again and again before an image named them.",
        "Look for who deletes in the repository; retry.",
    )
    REPOSITORY_GONE = ("The repository was deleted during the push.", "Create it and retry.")
    NOT_REPLICATED = (
        "At least one destination does not have the image.",
        "See the causes in the details and mend them; `transship heal` brings what is missing.",
    )
    SCAN_FINDINGS = (
        "ECR's scan found what the settings do not allow.",
        "Build the image anew without the findings, or change TRANSSHIP_SCAN_SEVERITY.",
    )
    SCAN_UNFINISHED = (
        "ECR's scan did not end within the deadline.",
        "Switch scanning on for the repository, or TRANSSHIP_SCAN_SEVERITY off.",
    )
    GAVE_UP = (
        "The upload failed more often than the queues allow.",
        "See the log under the upload's id; retry.",
    )
    EXPIRED = ("The upload did not end within its deadline.", "See the log under the upload's id; retry.")
