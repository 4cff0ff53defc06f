import { Page } from '../../components/page';

export default function ModelPage() {
  return <Page title="Model">…</Page>;
}
